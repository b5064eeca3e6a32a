"""An invalid request is stored under its key, so a client that corrects the amount gets a key conflict."""

from typing import Any

from bank.idempotency.digests import request_digest
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command
from bank.ledger.refuse import InvalidRequest
from bank.refusal import Refusal
from bank.telemetry.context import current_context
from bank.transfers import transfer
from simulation.mutants.mutant import Mutant, patch

_refuse_rightly = InvalidRequest.refuse


def plant() -> None:
    """Let the batch decide a transfer with an invalid amount, under the key of the transfer."""
    keys: dict[Any, str] = {}

    def _check_transfer(command: Any) -> int | Refusal:
        keys[command.caller_id] = command.key
        amount_minor: int | Refusal = original(command)
        return amount_minor

    async def _refuse(self: InvalidRequest, refusal: Refusal) -> Outcome:
        if refusal.code != "INVALID_AMOUNT" or self.operation != "transfer":
            return await _refuse_rightly(self, refusal)
        return await self.ledger.post(
            Command(
                caller_id=self.caller_id,
                key=keys[self.caller_id],  # no other request is executed between the check and this line
                operation=self.operation,
                digest=request_digest(refusal.message),
                account_ids=self.account_ids,
                decide=(lambda _books: refusal,),
                context=current_context(),
            )
        )

    original = patch(transfer, "check_transfer", _check_transfer)
    patch(InvalidRequest, "refuse", _refuse)


MUTANT = Mutant(
    name="invalid_input_consumes_key",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
