"""Reading of a request's JSON. Duplicate members of an object and numbers out of range are refused.

JSON does not define which of two members with one name is valid (RFC 8259, section 4). So a proxy or a log might read
another amount than the bank moves. JSON does not limit the size of numbers either (section 6).
"""

import json
from math import isinf
from typing import Any

import msgspec

from bank.graphql.suggestions import printable_name

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# The limit of msgspec and of Python for an integer, since parsing takes time quadratic in the number of digits.
_DIGITS_MAX = 4_300


class RequestBody(msgspec.Struct, rename="camel"):
    """A GraphQL request as JSON. Unknown members are allowed, as GraphQL over HTTP requires."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class RefusedMemberError(Exception):
    """A member of a JSON object is refused. The text is the message for the client."""


class DuplicateMemberError(RefusedMemberError):
    """A JSON object has two members with one name."""


class UnreadableNumberError(RefusedMemberError):
    """A number is out of range, or is not a JSON number, such as NaN."""


def read_body(raw: bytes) -> RequestBody:
    """Return the request in a body.

    Raises RefusedMemberError; msgspec.ValidationError for JSON that is not a request; and msgspec.DecodeError,
    RecursionError or UnicodeDecodeError for a body that is not JSON.
    """
    return msgspec.convert(_decode_strictly(raw), RequestBody)


def read_variables(text: str) -> dict[str, Any] | None:
    """Return the variables in a URL parameter. Raises the errors of `read_body`, and UnicodeEncodeError."""
    return msgspec.convert(_decode_strictly(text.encode(), of_variables=True), dict[str, Any] | None)


def read_extensions(text: str) -> dict[str, Any] | None:
    """Return the extensions in a URL parameter. Raises the errors of `read_variables`."""
    return msgspec.convert(_decode_strictly(text.encode()), dict[str, Any] | None)


def _decode_strictly(raw: bytes, *, of_variables: bool = False) -> Any:
    try:
        value = _decode(raw)
    except msgspec.DecodeError:
        _refuse_unreadable_number(raw, of_variables=of_variables)
        raise
    # Decoding drops the name of each duplicate member, so the re-encoded value has fewer quotation marks. Counting them
    # takes 3 µs; parsing again with a hook for every object takes 20 µs. The second parse is needed only if the counts
    # differ, or if escaped backslashes hide the end of a string.
    if rb"\\" in raw or _quotes(raw) != _quotes(_encode(value)):
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    return value


def _quotes(text: bytes) -> int:
    """Return the number of quotation marks that begin or end a string, in JSON without an escaped backslash."""
    return text.count(b'"') - text.count(b'\\"')


def _refuse_duplicates(members: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in members:
        if name in names:
            shown = printable_name(name)
            raise DuplicateMemberError(f"A member comes twice in an object of the JSON{f': {shown}' if shown else ''}.")
        names.add(name)


class _Unreadable(str):
    """The reason why a number is invalid, in the place of the number."""

    __slots__ = ()


def _refuse_unreadable_number(raw: bytes, *, of_variables: bool) -> None:
    """Raise UnreadableNumberError if an invalid number is the reason why the JSON could not be decoded."""
    try:
        value = json.loads(raw.decode(), parse_int=_integer, parse_float=_float, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return
    # Visit the values in the order of the document, without recursion; each value with its path.
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(value, ("variables",) if of_variables else ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, _Unreadable):
            raise UnreadableNumberError(f"{_describe_path(path)} {value}.")
        if isinstance(value, dict):
            stack.extend((value[name], (*path, name)) for name in reversed(value))
        elif isinstance(value, list):
            stack.extend((value[index], (*path, index)) for index in reversed(range(len(value))))


def _integer(digits: str) -> str:
    return _Unreadable("has more digits than any number may have") if len(digits) > _DIGITS_MAX else ""


def _float(digits: str) -> str:
    return _Unreadable("is a number out of range") if isinf(float(digits)) else ""


def _no_number(name: str) -> str:
    return _Unreadable(f"is {name}, which is no number of JSON")


def _describe_path(path: tuple[str | int, ...]) -> str:
    """Return the path of a value as the subject of a message, up to the first step that is not a valid name."""
    steps = [f"[{step}]" if isinstance(step, int) else printable_name(step) for step in path[1:]]
    if not steps or path[0] != "variables":
        return "A member of the request"
    readable = steps[: steps.index(None)] if None in steps else steps
    if not readable:
        return "A variable"
    return "Variable $" + "".join(f".{step}" if step[0] != "[" else step for step in readable if step).removeprefix(".")
