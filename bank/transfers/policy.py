"""What a transfer or deposit may do, as functions of values: no `await` (rule 3)."""

from collections.abc import Callable
from uuid import UUID

from bank.ledger.model import Accounts, Posting, Refusal
from bank.money import MAX_POSTING_MINOR, InvalidAmountError, UnknownCurrencyError, format_amount, parse_amount

# Fits on one line of a statement; the Pix message field has the same length.
DESCRIPTION_MAX = 140
KEY_MAX = 255


def check_key(key: str) -> Refusal | None:
    """Refuse an idempotency key that is empty, too long or not printable."""
    if 1 <= len(key) <= KEY_MAX and key.isprintable():
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"An idempotency key has 1 to {KEY_MAX} printable characters.",
        field=("input", "idempotencyKey"),
    )


def check_description(description: str | None) -> Refusal | None:
    """Refuse a description that does not fit on a line."""
    if description is None or (len(description) <= DESCRIPTION_MAX and description.isprintable()):
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"A description has at most {DESCRIPTION_MAX} printable characters.",
        field=("input", "description"),
    )


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


def decide_transfer(
    *, caller_id: UUID, from_id: UUID, to_id: UUID | None, amount_minor: int, currency: str, description: str | None
) -> Callable[[Accounts], Posting | Refusal]:
    """Return the decision on a transfer: the caller debits an account of their own, to any customer's account."""

    def decide(accounts: Accounts) -> Posting | Refusal:
        debit = accounts.get(from_id)
        if debit is None or debit.user_id != caller_id:
            message = "You have no such account."
            return Refusal(code="ACCOUNT_NOT_FOUND", message=message, field=("input", "fromAccountId"))
        if to_id is None or to_id not in accounts:
            message = "There is no account with this number."
            return Refusal(code="ACCOUNT_NOT_FOUND", message=message, field=("input", "toAccountNumber"))
        if to_id == from_id:
            message = "Source and target are the same account."
            return Refusal(code="SAME_ACCOUNT", message=message, field=("input", "toAccountNumber"))
        return Posting(
            kind="TRANSFER",
            debit_id=from_id,
            credit_id=to_id,
            amount_minor=amount_minor,
            currency=currency,
            description=description,
        )

    return decide


def decide_deposit(
    *, cash_id: UUID, to_id: UUID | None, amount_minor: int, currency: str, description: str | None
) -> Callable[[Accounts], Posting | Refusal]:
    """Return the decision on a deposit: money from outside, owed by the bank's cash account of the currency."""

    def decide(accounts: Accounts) -> Posting | Refusal:
        if to_id is None or to_id not in accounts:
            message = "There is no account with this number."
            return Refusal(code="ACCOUNT_NOT_FOUND", message=message, field=("input", "accountNumber"))
        return Posting(
            kind="DEPOSIT",
            debit_id=cash_id,
            credit_id=to_id,
            amount_minor=amount_minor,
            currency=currency,
            description=description,
        )

    return decide
