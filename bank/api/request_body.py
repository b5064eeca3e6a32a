"""Reading the JSON of a request, in which no member may come twice and every number has to be one that can be held.

JSON leaves open which of two members of one name counts (RFC 8259, section 4), so that a proxy or a log may have seen
another amount than the bank would move. It leaves open as well how large numbers may be (section 6).
"""

import json
from math import isinf
from typing import Any

import msgspec

from bank.graphql.suggestions import printable_name

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# Beyond it msgspec, like Python, refuses to read an integer, since that takes time quadratic in the digits.
_DIGITS_MAX = 4_300


class RequestBody(msgspec.Struct, rename="camel"):
    """A GraphQL request as JSON. Unknown members are allowed, as the specification asks."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class RefusedMemberError(Exception):
    """A member of an object is not accepted. The text is a sentence to show."""


class DuplicateMemberError(RefusedMemberError):
    """An object has two members of one name."""


class UnreadableNumberError(RefusedMemberError):
    """A number is out of range, or is none that JSON has."""


def read_body(raw: bytes) -> RequestBody:
    """Return the request that a body holds.

    Raises RefusedMemberError; msgspec.ValidationError for JSON that is no request; and for what is not JSON
    msgspec.DecodeError, RecursionError or UnicodeDecodeError.
    """
    return msgspec.convert(_unambiguous(raw), RequestBody)


def read_variables(text: str) -> dict[str, Any] | None:
    """Return the variables that a URL parameter holds. Raises as `read_body` does, and UnicodeEncodeError."""
    return msgspec.convert(_unambiguous(text.encode(), of_variables=True), dict[str, Any] | None)


def read_extensions(text: str) -> dict[str, Any] | None:
    """Return the extensions that a URL parameter holds. Raises as `read_variables` does."""
    return msgspec.convert(_unambiguous(text.encode()), dict[str, Any] | None)


def _unambiguous(raw: bytes, *, of_variables: bool = False) -> Any:
    try:
        value = _decode(raw)
    except msgspec.DecodeError:
        _refuse_unreadable_number(raw, of_variables=of_variables)
        raise
    # What is decoded has lost a string, the name, wherever a member came twice. Counting strings takes 3 microseconds,
    # parsing once more with a hook for every object 20: it is left for bodies in which escapes hide where strings end.
    if rb"\\" in raw or _quotes(raw) != _quotes(_encode(value)):
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    return value


def _quotes(text: bytes) -> int:
    """Return how many quotation marks begin or end a string, in JSON without an escaped backslash."""
    return text.count(b'"') - text.count(b'\\"')


def _refuse_duplicates(members: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in members:
        if name in names:
            shown = printable_name(name)
            raise DuplicateMemberError(f"A member comes twice in an object of the JSON{f': {shown}' if shown else ''}.")
        names.add(name)


class _Unreadable(str):
    """An invalid number: the reason, in the place of the number."""

    __slots__ = ()


def _refuse_unreadable_number(raw: bytes, *, of_variables: bool) -> None:
    """Raise UnreadableNumberError where a number is why JSON could not be read; else return, for another reason."""
    try:
        value = json.loads(raw.decode(), parse_int=_integer, parse_float=_float, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return
    # Without recursion, in the order of the document; each value with the names on its way.
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ("variables",) if of_variables else ())]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, _Unreadable):
            raise UnreadableNumberError(f"{_shown(place)} {value}.")
        if isinstance(value, dict):
            waiting.extend((value[name], (*place, name)) for name in reversed(value))
        elif isinstance(value, list):
            waiting.extend((value[number], (*place, number)) for number in reversed(range(len(value))))


def _integer(digits: str) -> str:
    return _Unreadable("has more digits than any number may have") if len(digits) > _DIGITS_MAX else ""


def _float(digits: str) -> str:
    return _Unreadable("is a number out of range") if isinf(float(digits)) else ""


def _no_number(name: str) -> str:
    return _Unreadable(f"is {name}, which is no number of JSON")


def _shown(place: tuple[str | int, ...]) -> str:
    """Return the place of a value as a sentence begins with it; names that are no names are left out with all below."""
    steps = [f"[{step}]" if isinstance(step, int) else printable_name(step) for step in place[1:]]
    if not steps or place[0] != "variables":
        return "A member of the request"
    readable = steps[: steps.index(None)] if None in steps else steps
    if not readable:
        return "A variable"
    return "Variable $" + "".join(f".{step}" if step[0] != "[" else step for step in readable if step).removeprefix(".")
