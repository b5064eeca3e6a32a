"""Limits of an account, as clients give them."""

from collections.abc import Mapping

from bank.money import InvalidAmountError, UnknownCurrencyError, parse_amount
from bank.refusal import Refusal


def read_limit(given: Mapping[str, str] | None, name: str) -> int | Refusal | None:
    """Return a limit in minor units, None if it is null, or the reason why it is invalid. Zero lets nothing leave."""
    if given is None:
        return None
    try:
        limit_minor = parse_amount(given["amount"], given["currency"])
    except (UnknownCurrencyError, InvalidAmountError) as error:
        return Refusal(code="INVALID_AMOUNT", message=str(error), field=("input", name))
    if limit_minor < 0:
        return Refusal(code="INVALID_AMOUNT", message="A limit is not negative.", field=("input", name))
    return limit_minor
