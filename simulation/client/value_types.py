"""Strict parsing of the value types of the contract: texts, lists, objects, amounts."""

import re
from collections.abc import Mapping

from simulation.model.operations import CURRENCY

DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{2})")


class MalformedAnswerError(ValueError):
    """An error: the bank's answer does not have the form of the contract."""


def minor(amount: object) -> int:
    """Parse a decimal amount such as `10.50` into minor units. Raises MalformedAnswerError for any other form."""
    found = DECIMAL.fullmatch(amount) if isinstance(amount, str) else None
    if found is None:
        raise MalformedAnswerError(f"an amount must be a decimal string with two decimals, not {amount!r}")
    sign, whole, cents = found.groups()
    value = int(whole) * 100 + int(cents)
    return -value if sign else value


def as_object(value: object) -> Mapping[str, object]:
    """Return an object, or raise MalformedAnswerError."""
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"must be an object, not {type(value).__name__}")
    return value


def as_list(value: object) -> list[object]:
    """Return a list, or raise MalformedAnswerError."""
    if not isinstance(value, list):
        raise MalformedAnswerError(f"must be a list, not {type(value).__name__}")
    return value


def text(body: Mapping[str, object], name: str) -> str:
    """Return the text of a field, or raise MalformedAnswerError if it is missing or empty."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedAnswerError(f"{name} must be a text")
    return value


def optional(body: Mapping[str, object], name: str) -> str | None:
    """Return the text of a field, or None if it is null."""
    return None if body.get(name) is None else text(body, name)


def money(body: Mapping[str, object], name: str) -> int:
    """Return the amount of a field in minor units, or raise MalformedAnswerError."""
    value = as_object(body.get(name))
    if value.get("currency") != CURRENCY:
        raise MalformedAnswerError(f"{name} must be in {CURRENCY}, not {value.get('currency')!r}")
    return minor(value.get("amount"))
