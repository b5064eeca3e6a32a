"""Release of a hold: make the held money available again, once per idempotency key (R12)."""

from dataclasses import dataclass
from uuid import UUID

from bank.database.pool import Database
from bank.holds.policy import active_hold, check_hold_id
from bank.holds.reads import hold_accounts
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command, Decide, EndHold, LedgerView, Step
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """Make the held money available again. `owner_id` is None for staff."""

    caller_id: UUID
    owner_id: UUID | None
    key: str
    hold_id: UUID


async def release_hold(ledger: Ledger, database: Database, command: ReleaseHold) -> Outcome:
    """Make the held money available again, once per idempotency key. Raises the errors of `capture_hold`."""
    if refusal := check_key(command.key) or check_hold_id(command.hold_id):
        return await InvalidRequest(ledger, "releaseHold", command.caller_id, ()).refuse(refusal)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="releaseHold",
            digest=request_digest(str(command.hold_id)),
            # The two accounts of a hold never change, so that they may be read before the batch.
            account_ids=await hold_accounts(database, command.hold_id),
            hold_ids=(command.hold_id,),
            decide=(decide_release(command),),
            context=current_context(),
        )
    )


def decide_release(command: ReleaseHold) -> Decide:
    """Return the decision on a release: the hold ends, and no money moves."""

    def decide(view: LedgerView) -> tuple[Step, ...] | Refusal:
        hold = active_hold(view, command.hold_id, caller_id=command.caller_id, owner_id=command.owner_id)
        return hold if isinstance(hold, Refusal) else (EndHold(hold_id=hold.id, status="RELEASED"),)

    return decide
