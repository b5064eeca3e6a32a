"""The model of the ledger: its values, and its rules as functions of values, without `await`, clock, database (R3)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from bank.events.event import EventMetadata
from bank.events.origins import NO_METADATA
from bank.ledger.approval_policy import Approval, EndApproval, RequestApproval
from bank.refusal import Refusal
from bank.telemetry.context import RequestContext

# Half of the range of a 64-bit balance in the database, so that adding a posting cannot overflow.
BALANCE_MAX_MINOR = 2**62


class Account(msgspec.Struct, frozen=True, gc=False):
    """An account, as a batch has locked it or a snapshot has read it.

    `version` is the number of its entries. `revision` grows with every change of the row, even without an entry.
    """

    id: UUID
    user_id: UUID | None
    kind: str
    number: str
    currency: str
    status: str
    balance_minor: int
    version: int
    created_at: datetime
    held_minor: int = 0
    revision: int = 0
    spent_minor: int = 0
    spent_on: date = date.min
    transfer_limit_minor: int | None = None
    daily_limit_minor: int | None = None
    updated_at: datetime | None = None

    @property
    def may_overdraw(self) -> bool:
        """Return whether the balance may be negative: only of the bank's own accounts, such as its cash account."""
        return self.kind != "CUSTOMER"

    @property
    def available_minor(self) -> int:
        """The balance without what is held, in minor units."""
        return self.balance_minor - self.held_minor

    def spent_minor_on(self, day: date) -> int:
        """Return the amount, in minor units, that has counted against the daily limit on a day."""
        return self.spent_minor if self.spent_on == day else 0


class Posting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The step that moves money from one account to another, both in `currency`. The amount is positive.

    `related_id` is the original of a reversal. For a fee, the batch sets it to the transaction of the posting before.
    `counts_against_limit` is true if the amount counts against the daily limit of the debited account. The three fields
    are names of the input, for the `field` of a refusal. `initiated_by` is who asked for an approved posting; for all
    others, it is the caller.
    """

    kind: str
    debit_id: UUID
    credit_id: UUID
    amount_minor: int
    currency: str
    description: str | None = None
    related_id: UUID | None = None
    hold_id: UUID | None = None
    counts_against_limit: bool = False
    debit_field: str = "fromAccountId"
    amount_field: str = "amount"
    credit_field: str = "toAccountNumber"
    initiated_by: UUID | None = None


class Original(msgspec.Struct, frozen=True, gc=False):
    """A transaction that is to be reversed, and the amount that has been reversed so far."""

    id: UUID
    kind: str
    debit_id: UUID
    credit_id: UUID
    amount_minor: int
    currency: str
    reversed_minor: int


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Money that is reserved on an account, for the owner of another account to capture until it expires."""

    id: UUID
    account_id: UUID
    to_account_id: UUID
    amount_minor: int
    currency: str
    description: str | None
    status: str
    captured_minor: int
    transaction_id: UUID | None
    initiated_by: UUID
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None = None
    salt: bytes | None = None


class Authorize(msgspec.Struct, frozen=True, gc=False):
    """The step that makes a hold. It counts against the daily limit, so that the capture does not."""

    hold: Hold


class EndHold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The step that ends a hold and makes its money available again. For a capture, its posting is the next step."""

    hold_id: UUID
    status: str
    captured_minor: int = 0


class LedgerView(msgspec.Struct):
    """The part of the ledger that a decision can read: all rows of its command, after the commands before it.

    `now` is the time of all decisions of the batch, `today` its business day. `roles` has the current roles of the
    people of the approvals.
    """

    accounts: Mapping[UUID, Account]
    originals: Mapping[UUID, Original]
    holds: Mapping[UUID, Hold]
    now: datetime
    today: date
    approvals: Mapping[UUID, Approval] = {}
    roles: Mapping[UUID, str] = {}


Accounts = Mapping[UUID, Account]
Step = Posting | Authorize | EndHold | RequestApproval | EndApproval
Decide = Callable[[LedgerView], Posting | tuple[Step, ...] | Refusal]


# A struct, not a dataclass: a frozen dataclass costs ten times as much (measured).
class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the ledger, with its decisions and the rows that they need.

    `digest` is the digest of the request; the same key with another digest or operation is a key conflict. Commands of
    the bank itself have no caller. Commands that only record a refusal have no key.
    `decide` has one decision, or several, each of which sees the effects of those before it. With `all_or_none`, the
    refusal of one rolls back all of them. The batch locks the accounts and loads the rows with these ids; unknown ids
    are left out. The first account is the entity of the event of a refusal.
    The ledger sets `metadata`, from `context`.
    """

    caller_id: UUID | None
    key: str | None
    operation: str
    digest: bytes
    decide: tuple[Decide, ...]
    account_ids: tuple[UUID, ...] = ()
    original_ids: tuple[UUID, ...] = ()
    hold_ids: tuple[UUID, ...] = ()
    approval_ids: tuple[UUID, ...] = ()
    is_bulk: bool = False
    all_or_none: bool = True
    context: RequestContext | None = None
    metadata: EventMetadata = NO_METADATA


def apply_posting(posting: Posting, accounts: Accounts, today: date) -> tuple[Account, Account] | Refusal:
    """Return the debited and the credited account after a posting, or the refusal.

    These rules hold for every posting: both accounts are active and have the currency of the posting, and no account of
    a customer is debited beyond its available balance.
    """
    assert posting.amount_minor > 0, "use cases check amounts"
    assert posting.debit_id != posting.credit_id, "use cases compare source and target"
    debit, credit = accounts[posting.debit_id], accounts[posting.credit_id]
    if refusal := _check_account(debit, posting.currency, posting.debit_field, posting.amount_field):
        return refusal
    if refusal := _check_account(credit, posting.currency, posting.credit_field, posting.amount_field):
        return refusal
    if not debit.may_overdraw and debit.available_minor < posting.amount_minor:
        return _not_covered(posting.amount_field)
    if credit.balance_minor + posting.amount_minor > BALANCE_MAX_MINOR:
        message = "The balance of the receiving account would be beyond what an account can hold."
        return Refusal(code="INVALID_AMOUNT", message=message, field=("input", posting.amount_field))
    if posting.counts_against_limit:
        debit = _spend(debit, posting.amount_minor, today)
    return _add_entry(debit, -posting.amount_minor), _add_entry(credit, posting.amount_minor)


def check_postings(postings: Iterable[Posting], accounts: Accounts, today: date) -> Refusal | None:
    """Return the refusal of the first posting that is not possible after those before it, or None."""
    after = dict(accounts)
    for posting in postings:
        changed = apply_posting(posting, after, today)
        if isinstance(changed, Refusal):
            return changed
        after |= {account.id: account for account in changed}
    return None


def authorize(hold: Hold, accounts: Accounts, today: date) -> Account | Refusal:
    """Return the account after the authorization of a hold on it, or the refusal."""
    account, to = accounts[hold.account_id], accounts[hold.to_account_id]
    if refusal := _check_account(account, hold.currency, "fromAccountId"):
        return refusal
    if refusal := _check_account(to, hold.currency, "toAccountNumber"):
        return refusal
    if account.available_minor < hold.amount_minor:
        return _not_covered()
    spent = _spend(account, hold.amount_minor, today)
    return msgspec.structs.replace(spent, held_minor=spent.held_minor + hold.amount_minor, revision=spent.revision + 1)


def end_hold(hold: Hold, accounts: Accounts) -> Account:
    """Return the account after the end of a hold on it."""
    account = accounts[hold.account_id]
    return msgspec.structs.replace(
        account, held_minor=account.held_minor - hold.amount_minor, revision=account.revision + 1
    )


def _check_account(account: Account, currency: str, field: str, amount_field: str = "amount") -> Refusal | None:
    if account.status != "ACTIVE":
        status = account.status.lower()
        return Refusal(code=f"ACCOUNT_{account.status}", message=f"The account is {status}.", field=("input", field))
    if account.currency != currency:
        message = f"The account is kept in {account.currency}; the amount is in {currency}."
        path = ("amount", "currency") if amount_field == "amount" else (amount_field,)
        return Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", *path))
    return None


def _not_covered(field: str = "amount") -> Refusal:
    message = "The available balance does not cover the amount."
    return Refusal(code="INSUFFICIENT_FUNDS", message=message, field=("input", field))


def _spend(account: Account, amount_minor: int, today: date) -> Account:
    return msgspec.structs.replace(
        account, spent_minor=account.spent_minor_on(today) + amount_minor, spent_on=max(account.spent_on, today)
    )


def _add_entry(account: Account, change_minor: int) -> Account:
    """Return the account with one more entry."""
    return msgspec.structs.replace(
        account,
        balance_minor=account.balance_minor + change_minor,
        version=account.version + 1,
        revision=account.revision + 1,
    )
