"""Limits of accounts: reading them from a client's input, and which changes need an approval."""

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


def is_raised(old_minor: int | None, new_minor: int | None, default_minor: int) -> bool:
    """Return whether a new limit is above the bank's and above the one before. None is the bank's limit."""
    return new_minor is not None and new_minor > max(default_minor, default_minor if old_minor is None else old_minor)
