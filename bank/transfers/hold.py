"""Hold money for somebody: authorise it, then capture it, whole or in part, or release it; or its time runs out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bank.database.pool import Database
from bank.identifiers import uuid7
from bank.ledger.command import Command, Outcome
from bank.ledger.keys import digest_of
from bank.ledger.model import Authorize, Books, Decide, EndHold, Hold, Posting, Refusal, Step
from bank.ledger.post import Ledger
from bank.money import format_amount
from bank.telemetry.context import current_context
from bank.transfers.policy import (
    NOTHING,
    check_amount,
    check_description,
    check_key,
    check_limits,
    check_own_account,
    no_account_with_number,
    no_own_account,
)
from bank.transfers.reads import hold_sides
from bank.transfers.submit import Refused
from bank.transfers.terms import Terms

# As card schemes do; money that is held for longer is a payment that nobody wants to make.
LIFE_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeHold:
    """Set `amount` (a decimal text) aside on an account of the caller's, for the owner of another one to capture."""

    caller_id: UUID
    key: str
    from_id: UUID
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    expires_at: datetime | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold:
    """Move what is held, or `amount` of it; the rest becomes available again. `owner_id` is None where staff asks."""

    caller_id: UUID
    owner_id: UUID | None
    key: str
    hold_id: UUID
    amount: str | None
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """Give up what is held. `owner_id` is None where staff asks."""

    caller_id: UUID
    owner_id: UUID | None
    key: str
    hold_id: UUID


async def authorize_hold(ledger: Ledger, terms: Terms, command: AuthorizeHold) -> Outcome:
    """Set money aside, once per idempotency key. Raises what `Ledger.post` raises."""
    refused = Refused(ledger, "authorizeHold", command.caller_id, (command.from_id,))
    amount_minor = (
        check_key(command.key)
        or check_own_account(command.from_id, "fromAccountId")
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )
    if isinstance(amount_minor, Refusal):
        return await refused(amount_minor)
    content = (str(command.from_id), command.to_number, amount_minor, command.currency, command.description)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="authorizeHold",
            digest=digest_of(*content, command.expires_at),
            account_ids=(command.from_id, command.to_id) if command.to_id else (command.from_id,),
            decide=(_decide_authorization(command, amount_minor, terms),),
            context=current_context(),
        )
    )


async def capture_hold(ledger: Ledger, database: Database, command: CaptureHold) -> Outcome:
    """Move what is held, whole or in part, once per idempotency key and once per hold.

    Raises what `Ledger.post` raises, and `Unavailable` or `Overloaded` while looking for the hold.
    """
    refused = Refused(ledger, "captureHold", command.caller_id, ())
    if refusal := check_key(command.key) or _check_hold(command):
        return await refused(refusal)
    amount_minor = None if command.amount is None else check_amount(command.amount, command.currency or "")
    if isinstance(amount_minor, Refusal):
        return await refused(amount_minor)
    content = (amount_minor, command.currency)
    return await _end(ledger, database, command, content=content, decide=_decide_capture(command, amount_minor))


async def release_hold(ledger: Ledger, database: Database, command: ReleaseHold) -> Outcome:
    """Make what is held available again, once per idempotency key. Raises as `capture_hold` does."""
    if refusal := check_key(command.key) or _check_hold(command):
        return await Refused(ledger, "releaseHold", command.caller_id, ())(refusal)
    return await _end(ledger, database, command, content=(), decide=_decide_release(command))


async def _end(
    ledger: Ledger,
    database: Database,
    command: CaptureHold | ReleaseHold,
    *,
    content: tuple[object, ...],
    decide: Decide,
) -> Outcome:
    # Which accounts a hold is between never changes, so that it may be looked at before the batch.
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="captureHold" if isinstance(command, CaptureHold) else "releaseHold",
            digest=digest_of(str(command.hold_id), *content),
            account_ids=await hold_sides(database, command.hold_id),
            hold_ids=(command.hold_id,),
            decide=(decide,),
            context=current_context(),
        )
    )


def _decide_authorization(command: AuthorizeHold, amount_minor: int, terms: Terms) -> Decide:
    hold_id = uuid7()

    def decide(books: Books) -> tuple[Step, ...] | Refusal:
        account = books.accounts.get(command.from_id)
        if account is None or account.user_id != command.caller_id:
            return no_own_account("fromAccountId")
        if command.to_id is None or command.to_id not in books.accounts:
            return no_account_with_number("toAccountNumber")
        if command.to_id == command.from_id:
            message = "Source and target are the same account."
            return Refusal(code="SAME_ACCOUNT", message=message, field=("input", "toAccountNumber"))
        expires_at = command.expires_at or books.now + terms.hold_life
        if not books.now < expires_at <= books.now + LIFE_MAX:
            message = f"A hold expires in the future, within {LIFE_MAX.days} days."
            return Refusal(code="INVALID_INPUT", message=message, field=("input", "expiresAt"))
        if refusal := check_limits(account, amount_minor, books.today, terms):
            return refusal
        hold = Hold(
            id=hold_id,
            account_id=account.id,
            to_account_id=command.to_id,
            amount_minor=amount_minor,
            currency=command.currency,
            description=command.description,
            status="AUTHORIZED",
            captured_minor=0,
            transaction_id=None,
            initiated_by=command.caller_id,
            expires_at=expires_at,
            created_at=books.now,
        )
        return (Authorize(hold),)

    return decide


def _decide_capture(command: CaptureHold, amount_minor: int | None) -> Decide:
    def decide(books: Books) -> tuple[Step, ...] | Refusal:
        hold = _active(books, command)
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


def _decide_release(command: ReleaseHold) -> Decide:
    def decide(books: Books) -> tuple[Step, ...] | Refusal:
        hold = _active(books, command)
        return hold if isinstance(hold, Refusal) else (EndHold(hold_id=hold.id, status="RELEASED"),)

    return decide


def _check_hold(command: CaptureHold | ReleaseHold) -> Refusal | None:
    return _no_hold() if command.hold_id == NOTHING else None


def _no_hold() -> Refusal:
    message = "There is no hold with this id for you to end."
    return Refusal(code="HOLD_NOT_FOUND", message=message, field=("input", "holdId"))


def _active(books: Books, command: CaptureHold | ReleaseHold) -> Hold | Refusal:
    """Return the hold, if it has not ended and is the asker's to end: who is to receive it, or staff."""
    hold = books.holds.get(command.hold_id)
    seen = hold is not None and (
        command.owner_id is None or books.accounts[hold.to_account_id].user_id == command.owner_id
    )
    if hold is None or not seen:
        return _no_hold()
    if hold.status == "AUTHORIZED" and hold.expires_at <= books.now:
        return Refusal(code="HOLD_ENDED", message="The hold has expired.", field=("input", "holdId"))
    if hold.status != "AUTHORIZED":
        message = f"The hold has been {hold.status.lower()}."
        return Refusal(code="HOLD_ENDED", message=message, field=("input", "holdId"))
    return hold
