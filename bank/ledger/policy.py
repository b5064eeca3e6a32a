"""Rules that transfers, holds and reversals share, as functions of values (R3)."""

from datetime import date
from uuid import UUID

from bank.identifiers import read_uuid
from bank.ledger.model import Account, Posting
from bank.ledger.terms import Terms
from bank.money import MAX_POSTING_MINOR, InvalidAmountError, UnknownCurrencyError, format_amount, parse_amount
from bank.refusal import Refusal
from bank.text import is_readable

# One line of a statement; the message of a Pix payment has the same length.
DESCRIPTION_MAX = 140

# The nil UUID of RFC 9562, which no row has. It replaces an id of a client that does not have the form of an id.
NIL_UUID = UUID(int=0)

# The bank's own accounts, made by migrations.
CASH_ACCOUNTS = {"BRL": read_uuid("00000000-0000-7000-8000-000000000986")}
FEE_ACCOUNTS = {"BRL": read_uuid("00000000-0000-7000-8000-00000000f986")}


def check_description(description: str | None, field: str = "description") -> Refusal | None:
    """Return the refusal of a description that is too long or not readable, or None. `field` is its name in the input.

    An empty description is accepted, and means the same as none.
    """
    if not description or is_readable(description, longest=DESCRIPTION_MAX):
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"A {field} has at most {DESCRIPTION_MAX} characters that can be read.",
        field=("input", field),
    )


def check_own_account(account_id: UUID, field: str) -> Refusal | None:
    """Return the refusal of an id that no account can have, or None."""
    return no_own_account(field) if account_id == NIL_UUID else None


def check_amount(amount: str, currency: str) -> int | Refusal:
    """Return the amount in minor units, or the refusal of an amount that no posting can have."""
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
    """Return the refusal of an amount above the account's transfer limit or the rest of its daily limit, or None."""
    transfer_limit = account.transfer_limit_minor
    if transfer_limit is None:
        transfer_limit = terms.transfer_limit_minor
    if amount_minor > transfer_limit:
        limit = format_amount(transfer_limit, account.currency)
        return _limit_exceeded(f"At most {limit} {account.currency} may leave this account at once.")
    daily_limit = account.daily_limit_minor
    if daily_limit is None:
        daily_limit = terms.daily_limit_minor
    if account.spent_minor_on(today) + amount_minor > daily_limit:
        limit = format_amount(daily_limit, account.currency)
        return _limit_exceeded(f"At most {limit} {account.currency} may leave this account in a day.")
    return None


def _limit_exceeded(message: str) -> Refusal:
    return Refusal(code="LIMIT_EXCEEDED", message=message, field=("input", "amount", "amount"))


def no_own_account(field: str) -> Refusal:
    """Return the refusal for an account that does not exist or is not the caller's; it does not show which."""
    return Refusal(code="ACCOUNT_NOT_FOUND", message="You have no such account.", field=("input", field))


def no_account_with_number(field: str) -> Refusal:
    """Return the refusal for a number that no account has."""
    message = "There is no account with this number."
    return Refusal(code="ACCOUNT_NOT_FOUND", message=message, field=("input", field))


def own_account(field: str) -> Refusal:
    """Return the refusal for a member of staff who acts as staff on an account of their own."""
    message = "Staff do not act on their own accounts; another member of staff has to do this."
    return Refusal(code="OWN_ACCOUNT", message=message, field=("input", field))


def fee_for(posting: Posting, amount_minor: int) -> Posting:
    """Return the fee for a posting: another posting, which is decided together with it."""
    return Posting(
        kind="FEE",
        debit_id=posting.debit_id,
        credit_id=FEE_ACCOUNTS[posting.currency],
        amount_minor=amount_minor,
        currency=posting.currency,
        debit_field=posting.debit_field,
    )
