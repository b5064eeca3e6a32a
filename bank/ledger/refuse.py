"""Refusal of a request with invalid input: it is audited (S6), its key stays unused, and nothing else changes."""

from dataclasses import dataclass
from uuid import UUID

from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command
from bank.ledger.post import Ledger
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request with invalid input for `operation`; `account_ids` are its accounts, for the audit."""

    ledger: Ledger
    operation: str
    caller_id: UUID
    account_ids: tuple[UUID, ...]

    async def refuse(self, refusal: Refusal) -> Outcome:
        """Record the refusal in the audit trail and return it. Raises the errors of `Ledger.post`."""
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
