"""Refusal of a request that is invalid in itself: its key stays unused, nothing changes, and it is audited (S6)."""

from dataclasses import dataclass
from uuid import UUID

from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command
from bank.ledger.post import Ledger
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request for `operation` that is about to be refused; `account_ids` are the accounts that it names."""

    ledger: Ledger
    operation: str
    caller_id: UUID
    account_ids: tuple[UUID, ...]

    async def refuse(self, refusal: Refusal) -> Outcome:
        """Record the refusal in the audit trail and return it. Raises what `Ledger.post` raises."""
        return await self.ledger.post(
            Command(
                caller_id=self.caller_id,
                key=None,
                operation=self.operation,
                digest=b"",
                account_ids=self.account_ids,
                decide=(lambda _view: refusal,),
                context=current_context(),
            )
        )
