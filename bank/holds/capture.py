"""Capture of a hold: move the held money, whole or in part, once per idempotency key and once per hold (R12)."""

from dataclasses import dataclass
from uuid import UUID

from bank.database.pool import Database
from bank.holds.policy import active_hold, check_hold_id
from bank.holds.reads import hold_accounts
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command, Decide, EndHold, LedgerView, Posting, Step
from bank.ledger.policy import check_amount
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.money import format_amount
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold:
    """Move the held money, or `amount` of it; the rest becomes available again. `owner_id` is None for staff."""

    caller_id: UUID
    owner_id: UUID | None
    key: str
    hold_id: UUID
    amount: str | None
    currency: str | None


async def capture_hold(ledger: Ledger, database: Database, command: CaptureHold) -> Outcome:
    """Move the held money, whole or in part, once per idempotency key and once per hold.

    Raises the errors of `Ledger.post`, and `Unavailable` or `Overloaded` if the hold cannot be read.
    """
    invalid = InvalidRequest(ledger, "captureHold", command.caller_id, ())
    if refusal := check_key(command.key) or check_hold_id(command.hold_id):
        return await invalid.refuse(refusal)
    amount_minor = None if command.amount is None else check_amount(command.amount, command.currency or "")
    if isinstance(amount_minor, Refusal):
        return await invalid.refuse(amount_minor)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="captureHold",
            digest=request_digest(str(command.hold_id), amount_minor, command.currency),
            # The two accounts of a hold never change, so that they may be read before the batch.
            account_ids=await hold_accounts(database, command.hold_id),
            hold_ids=(command.hold_id,),
            decide=(decide_capture(command, amount_minor),),
            context=current_context(),
        )
    )


def decide_capture(command: CaptureHold, amount_minor: int | None) -> Decide:
    """Return the decision on a capture: the hold ends, and a posting moves the captured amount."""

    def decide(view: LedgerView) -> tuple[Step, ...] | Refusal:
        hold = active_hold(view, command.hold_id, caller_id=command.caller_id, owner_id=command.owner_id)
        if isinstance(hold, Refusal):
            return hold
        if command.currency not in (None, hold.currency):
            message = f"The hold is in {hold.currency}."
            return Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", "amount", "currency"))
        captured_minor = hold.amount_minor if amount_minor is None else amount_minor
        if captured_minor > hold.amount_minor:
            message = f"Only {format_amount(hold.amount_minor, hold.currency)} {hold.currency} are held."
            return Refusal(code="CAPTURE_EXCEEDS_HOLD", message=message, field=("input", "amount", "amount"))
        posting = Posting(
            kind="CAPTURE",
            debit_id=hold.account_id,
            credit_id=hold.to_account_id,
            amount_minor=captured_minor,
            currency=hold.currency,
            description=hold.description,
            hold_id=hold.id,
            debit_field="holdId",
            credit_field="holdId",
            amount_field="holdId" if command.amount is None else "amount",
        )
        return EndHold(hold_id=hold.id, status="CAPTURED", captured_minor=captured_minor), posting

    return decide
