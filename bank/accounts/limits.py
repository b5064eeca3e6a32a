"""Reading of an account's limits from a client's input."""

from collections.abc import Mapping

from bank.money import InvalidAmountError, UnknownCurrencyError, parse_amount
from bank.refusal import Refusal


def read_limit(given: Mapping[str, str] | None, name: str) -> int | Refusal | None:
    """Return a limit in minor units, None for null, or the refusal of an invalid limit.

    Zero is valid: it stops all debits that the limit applies to.
    """
    if given is None:
        return None
    try:
        limit_minor = parse_amount(given["amount"], given["currency"])
    except (UnknownCurrencyError, InvalidAmountError) as error:
        return Refusal(code="INVALID_AMOUNT", message=str(error), field=("input", name))
    if limit_minor < 0:
        return Refusal(code="INVALID_AMOUNT", message="A limit is not negative.", field=("input", name))
    return limit_minor
