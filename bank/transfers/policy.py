"""What deposits, withdrawals and transfers may do, as functions of values: no `await` (rule 3)."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from bank.identifiers import read_uuid
from bank.ledger.model import Account, Books, Decide, Posting, Refusal
from bank.money import MAX_POSTING_MINOR, InvalidAmountError, UnknownCurrencyError, format_amount, parse_amount
from bank.text import is_readable
from bank.transfers.terms import Terms

# Fits on one line of a statement; the Pix message field has the same length.
DESCRIPTION_MAX = 140
KEY_MAX = 255

# No row has it. It stands for an id of a form that no id of the bank has.
NOTHING = UUID(int=0)

# The bank's own accounts, made by migrations.
CASH_ACCOUNTS = {"BRL": read_uuid("00000000-0000-7000-8000-000000000986")}
FEE_ACCOUNTS = {"BRL": read_uuid("00000000-0000-7000-8000-00000000f986")}


def check_key(key: str) -> Refusal | None:
    """Refuse an idempotency key that is empty, too long or not printable. It is a program's, and nobody reads it."""
    if 1 <= len(key) <= KEY_MAX and key.isprintable():
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"An idempotency key has 1 to {KEY_MAX} printable characters.",
        field=("input", "idempotencyKey"),
    )


def check_description(description: str | None, field: str = "description") -> Refusal | None:
    """Refuse a description, or what a client calls `field`, that does not fit on a line or cannot be read.

    An empty one says nothing, as none does.
    """
    if not description or is_readable(description, longest=DESCRIPTION_MAX):
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"A {field} has at most {DESCRIPTION_MAX} characters that can be read.",
        field=("input", field),
    )


def check_own_account(account_id: UUID, field: str) -> Refusal | None:
    """Refuse an id that no account can have: it is wrong in itself, and will never be one of the caller's."""
    return no_own_account(field) if account_id == NOTHING else None


def check_amount(amount: str, currency: str) -> int | Refusal:
    """Return the amount in minor units, or why no posting can be of this amount."""
    try:
        amount_minor = parse_amount(amount, currency)
    except UnknownCurrencyError as error:
        return Refusal(code="CURRENCY_MISMATCH", message=str(error), field=("input", "amount", "currency"))
    except InvalidAmountError as error:
        return _invalid_amount(str(error))
    if amount_minor <= 0:
        return _invalid_amount("The amount must be more than zero.")
    if amount_minor > MAX_POSTING_MINOR:
        return _invalid_amount(f"One posting moves at most {format_amount(MAX_POSTING_MINOR, currency)} {currency}.")
    return amount_minor


def _invalid_amount(message: str) -> Refusal:
    return Refusal(code="INVALID_AMOUNT", message=message, field=("input", "amount", "amount"))


def check_limits(account: Account, amount_minor: int, today: date, terms: Terms) -> Refusal | None:
    """Refuse an amount that is more than may leave the account at once, or today."""
    at_once = terms.transfer_limit_minor if account.transfer_limit_minor is None else account.transfer_limit_minor
    if amount_minor > at_once:
        limit = format_amount(at_once, account.currency)
        return _beyond_limit(f"At most {limit} {account.currency} may leave this account at once.")
    a_day = terms.daily_limit_minor if account.daily_limit_minor is None else account.daily_limit_minor
    if account.spent_minor_on(today) + amount_minor > a_day:
        limit = format_amount(a_day, account.currency)
        return _beyond_limit(f"At most {limit} {account.currency} may leave this account in a day.")
    return None


def _beyond_limit(message: str) -> Refusal:
    return Refusal(code="LIMIT_EXCEEDED", message=message, field=("input", "amount", "amount"))


def no_own_account(field: str) -> Refusal:
    """Return the refusal for an account that is not there, or not the caller's: the two look the same from outside."""
    return Refusal(code="ACCOUNT_NOT_FOUND", message="You have no such account.", field=("input", field))


def no_account_with_number(field: str) -> Refusal:
    """Return the refusal for a number that no account has."""
    message = "There is no account with this number."
    return Refusal(code="ACCOUNT_NOT_FOUND", message=message, field=("input", field))


def decide_transfer(
    *,
    caller_id: UUID,
    from_id: UUID,
    to_id: UUID | None,
    amount_minor: int,
    currency: str,
    description: str | None,
    terms: Terms,
) -> Decide:
    """Return the decision on a transfer: the caller debits an account of their own, to any customer's account."""

    def decide(books: Books) -> Posting | tuple[Posting, ...] | Refusal:
        accounts = books.accounts
        debit = accounts.get(from_id)
        if debit is None or debit.user_id != caller_id:
            return no_own_account("fromAccountId")
        if to_id is None or to_id not in accounts:
            return no_account_with_number("toAccountNumber")
        if to_id == from_id:
            message = "Source and target are the same account."
            return Refusal(code="SAME_ACCOUNT", message=message, field=("input", "toAccountNumber"))
        if refusal := check_limits(debit, amount_minor, books.today, terms):
            return refusal
        posting = Posting(
            kind="TRANSFER",
            debit_id=from_id,
            credit_id=to_id,
            amount_minor=amount_minor,
            currency=currency,
            description=description,
            counts=True,
        )
        if not terms.transfer_fee_minor:
            return posting
        return posting, _fee(posting, terms.transfer_fee_minor)

    return decide


def decide_deposit(*, to_id: UUID | None, amount_minor: int, currency: str, description: str | None) -> Decide:
    """Return the decision on a deposit: money from outside, owed by the bank's cash account of the currency."""

    def decide(books: Books) -> Posting | Refusal:
        if to_id is None or to_id not in books.accounts:
            return no_account_with_number("accountNumber")
        return Posting(
            kind="DEPOSIT",
            debit_id=CASH_ACCOUNTS[currency],
            credit_id=to_id,
            amount_minor=amount_minor,
            currency=currency,
            description=description,
            credit_field="accountNumber",
        )

    return decide


def decide_withdrawal(
    *,
    owner_id: UUID | None,
    from_id: UUID | None,
    amount_minor: int,
    currency: str,
    description: str | None,
    terms: Terms,
) -> Decide:
    """Return the decision on a withdrawal: money leaves the bank. `owner_id` is None where staff pays it out."""

    def decide(books: Books) -> Posting | tuple[Posting, ...] | Refusal:
        debit = books.accounts.get(from_id) if from_id else None
        if debit is None:
            return no_account_with_number("accountNumber")
        if owner_id is not None and debit.user_id != owner_id:
            return no_own_account("accountNumber")
        if refusal := check_limits(debit, amount_minor, books.today, terms):
            return refusal
        posting = Posting(
            kind="WITHDRAWAL",
            debit_id=debit.id,
            credit_id=CASH_ACCOUNTS[currency],
            amount_minor=amount_minor,
            currency=currency,
            description=description,
            counts=True,
            debit_field="accountNumber",
        )
        if not terms.withdrawal_fee_minor:
            return posting
        return posting, _fee(posting, terms.withdrawal_fee_minor)

    return decide


def _fee(posting: Posting, amount_minor: int) -> Posting:
    """Return the fee for a posting: a posting of its own, decided together with it."""
    return Posting(
        kind="FEE",
        debit_id=posting.debit_id,
        credit_id=FEE_ACCOUNTS[posting.currency],
        amount_minor=amount_minor,
        currency=posting.currency,
        debit_field=posting.debit_field,
    )


def read_limit(given: Mapping[str, str] | None, name: str) -> int | Refusal | None:
    """Return a limit in minor units, None where it is not given; or why it cannot be one. Zero lets nothing leave."""
    if given is None:
        return None
    try:
        limit_minor = parse_amount(given["amount"], given["currency"])
    except (UnknownCurrencyError, InvalidAmountError) as error:
        return Refusal(code="INVALID_AMOUNT", message=str(error), field=("input", name))
    if limit_minor < 0:
        return Refusal(code="INVALID_AMOUNT", message="A limit is not negative.", field=("input", name))
    return limit_minor
