"""The ledger's decisions, as functions of values: no `await`, no clock, no database (rule 3)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

# Balances are 64-bit in the database; half of that can be added to any balance without overflow.
BALANCE_MAX_MINOR = 2**62


class Account(msgspec.Struct, frozen=True, gc=False):
    """An account as the batch has locked it. `version` is the number of its entries."""

    id: UUID
    user_id: UUID | None
    kind: str
    number: str
    currency: str
    status: str
    balance_minor: int
    version: int
    created_at: datetime

    @property
    def may_overdraw(self) -> bool:
        """Only the bank's own accounts: money from outside is owed by them."""
        return self.kind == "CASH"


class Refusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A business "no": an outcome like any other, remembered under its idempotency key."""

    code: str
    message: str
    field: tuple[str, ...] | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money to move from one account to another. Both are of `currency`; the amount is positive."""

    kind: str
    debit_id: UUID
    credit_id: UUID
    amount_minor: int
    currency: str
    description: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a posting did. It is the answer, and stored so that a retry gets it again, to the letter."""

    transaction_id: UUID
    kind: str
    amount_minor: int
    currency: str
    debit_number: str
    credit_number: str
    description: str | None
    created_at: datetime
    debit_balance_after_minor: int
    credit_balance_after_minor: int


Accounts = Mapping[UUID, Account]
Decide = Callable[[Accounts], Posting | Refusal]


def _after(account: Account, change_minor: int) -> Account:
    """Return the account with one more entry."""
    return msgspec.structs.replace(
        account, balance_minor=account.balance_minor + change_minor, version=account.version + 1
    )


def enter(posting: Posting, accounts: Accounts) -> tuple[Account, Account] | Refusal:
    """Return how debited and credited account stand after a posting, or why the ledger refuses it.

    These are the rules that hold for every posting, whoever asks: both accounts take part, in their own currency,
    and nobody but the bank itself goes below zero.
    """
    assert posting.amount_minor > 0, "amounts are checked where they come in"
    assert posting.debit_id != posting.credit_id, "source and target are compared where they come in"
    debit, credit = accounts[posting.debit_id], accounts[posting.credit_id]
    for account, field in ((debit, "fromAccountId"), (credit, "toAccountNumber")):
        if account.status != "ACTIVE":
            state = account.status.lower()
            return Refusal(code=f"ACCOUNT_{account.status}", message=f"The account is {state}.", field=("input", field))
        if account.currency != posting.currency:
            message = f"The account is kept in {account.currency}; the amount is in {posting.currency}."
            return Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", "amount", "currency"))
    if not debit.may_overdraw and debit.balance_minor < posting.amount_minor:
        message = "The balance does not cover the amount."
        return Refusal(code="INSUFFICIENT_FUNDS", message=message, field=("input", "amount"))
    if credit.balance_minor + posting.amount_minor > BALANCE_MAX_MINOR:
        message = "The balance of the receiving account would be beyond what an account can hold."
        return Refusal(code="INVALID_AMOUNT", message=message, field=("input", "amount"))
    return _after(debit, -posting.amount_minor), _after(credit, posting.amount_minor)
