"""The ledger's decisions, as functions of values: no `await`, no clock, no database (R3)."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from bank.refusal import Refusal
from bank.telemetry.context import RequestContext

# Balances are 64-bit in the database; half of that can be added to any balance without overflow.
BALANCE_MAX_MINOR = 2**62


class Account(msgspec.Struct, frozen=True, gc=False):
    """An account as the batch has locked it.

    `version` is the number of its entries; `revision` grows with every change of it, also those that make no entry.
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
        """Only the bank's own accounts: money from outside is owed by them."""
        return self.kind != "CUSTOMER"

    @property
    def available_minor(self) -> int:
        """The balance without what is held, in minor units."""
        return self.balance_minor - self.held_minor

    def spent_minor_on(self, day: date) -> int:
        """Return what has counted against the daily limit on a day."""
        return self.spent_minor if self.spent_on == day else 0


class Posting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money to move from one account to another. Both are of `currency`; the amount is positive.

    `related_id` is the original of a reversal; a fee's is filled in by the batch: it belongs to the posting before it.
    `counts` says whether the amount counts against the daily limit of the debited account. The three fields name what
    a client has given, for a refusal to point at.
    """

    kind: str
    debit_id: UUID
    credit_id: UUID
    amount_minor: int
    currency: str
    description: str | None = None
    related_id: UUID | None = None
    hold_id: UUID | None = None
    counts: bool = False
    debit_field: str = "fromAccountId"
    amount_field: str = "amount"
    credit_field: str = "toAccountNumber"


class Original(msgspec.Struct, frozen=True, gc=False):
    """A transaction that is to be reversed, and how much of it has been."""

    id: UUID
    kind: str
    debit_id: UUID
    credit_id: UUID
    amount_minor: int
    currency: str
    reversed_minor: int


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Money set aside on an account, for another one to capture until it expires."""

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
    """Set money aside: the step that makes a hold. It counts against the daily limit; the capture will not."""

    hold: Hold


class EndHold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Make a hold's money available again: the step that ends it. A capture's posting comes next."""

    hold_id: UUID
    status: str
    captured_minor: int = 0


class LedgerView(msgspec.Struct):
    """The ledger as a decision sees it: everything that its command names, after the commands before it.

    `now` is the moment of all that is decided, `today` the business day that it falls on.
    """

    accounts: Mapping[UUID, Account]
    originals: Mapping[UUID, Original]
    holds: Mapping[UUID, Hold]
    now: datetime
    today: date


Accounts = Mapping[UUID, Account]
Step = Posting | Authorize | EndHold
Decide = Callable[[LedgerView], Posting | tuple[Step, ...] | Refusal]


# A struct, not a dataclass: a frozen dataclass costs ten times as much (measured).
class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to post, with all that its decisions need.

    `digest` stands for the content: the same key with another digest or operation is a mistake of the caller's. What
    the bank does by itself has no caller; what is only to be on record has no key.
    `decide` holds one decision, or several of which each sees what those before it have done: with `all_or_none` a
    refusal undoes all of them. What is named by the ids is locked and put before them, the unknown left out; the first
    account is the one that a refusal is about.
    """

    caller_id: UUID | None
    key: str | None
    operation: str
    digest: bytes
    decide: tuple[Decide, ...]
    account_ids: tuple[UUID, ...] = ()
    original_ids: tuple[UUID, ...] = ()
    hold_ids: tuple[UUID, ...] = ()
    is_list: bool = False
    all_or_none: bool = True
    context: RequestContext | None = None


def apply_posting(posting: Posting, accounts: Accounts, today: date) -> tuple[Account, Account] | Refusal:
    """Return how debited and credited account stand after a posting, or why the ledger refuses it.

    These are the rules that hold for every posting, whoever asks: both accounts take part, in their own currency,
    and nobody but the bank itself spends more than is available.
    """
    assert posting.amount_minor > 0, "amounts are checked where they come in"
    assert posting.debit_id != posting.credit_id, "source and target are compared where they come in"
    debit, credit = accounts[posting.debit_id], accounts[posting.credit_id]
    if refusal := _takes_part(debit, posting.currency, posting.debit_field, posting.amount_field):
        return refusal
    if refusal := _takes_part(credit, posting.currency, posting.credit_field, posting.amount_field):
        return refusal
    if not debit.may_overdraw and debit.available_minor < posting.amount_minor:
        return _not_covered(posting.amount_field)
    if credit.balance_minor + posting.amount_minor > BALANCE_MAX_MINOR:
        message = "The balance of the receiving account would be beyond what an account can hold."
        return Refusal(code="INVALID_AMOUNT", message=message, field=("input", posting.amount_field))
    if posting.counts:
        debit = _spend(debit, posting.amount_minor, today)
    return _enter_one(debit, -posting.amount_minor), _enter_one(credit, posting.amount_minor)


def authorize(hold: Hold, accounts: Accounts, today: date) -> Account | Refusal:
    """Return how an account stands after money on it was set aside, or why the ledger refuses that."""
    account, to = accounts[hold.account_id], accounts[hold.to_account_id]
    if refusal := _takes_part(account, hold.currency, "fromAccountId"):
        return refusal
    if refusal := _takes_part(to, hold.currency, "toAccountNumber"):
        return refusal
    if account.available_minor < hold.amount_minor:
        return _not_covered()
    spent = _spend(account, hold.amount_minor, today)
    return msgspec.structs.replace(spent, held_minor=spent.held_minor + hold.amount_minor, revision=spent.revision + 1)


def end_hold(hold: Hold, accounts: Accounts) -> Account:
    """Return how an account stands after a hold on it has ended."""
    account = accounts[hold.account_id]
    return msgspec.structs.replace(
        account, held_minor=account.held_minor - hold.amount_minor, revision=account.revision + 1
    )


def _takes_part(account: Account, currency: str, field: str, amount_field: str = "amount") -> Refusal | None:
    if account.status != "ACTIVE":
        state = account.status.lower()
        return Refusal(code=f"ACCOUNT_{account.status}", message=f"The account is {state}.", field=("input", field))
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


def _enter_one(account: Account, change_minor: int) -> Account:
    """Return the account with one more entry."""
    return msgspec.structs.replace(
        account,
        balance_minor=account.balance_minor + change_minor,
        version=account.version + 1,
        revision=account.revision + 1,
    )
