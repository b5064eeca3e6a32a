"""Reading the JSON of a request, in which no member may come twice.

JSON leaves open which of two members of one name counts (RFC 8259, section 4), so that a proxy or a log may have seen
another amount than the bank would move.
"""

import json
from typing import Any

import msgspec

from bank.api.naming import printable_name

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class RequestBody(msgspec.Struct, rename="camel"):
    """A GraphQL request as JSON. Unknown members are allowed, as the specification asks."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class DuplicateMemberError(Exception):
    """An object has two members of one name. The text is a sentence to show."""


def read_body(raw: bytes) -> RequestBody:
    """Return the request that a body holds.

    Raises DuplicateMemberError; msgspec.ValidationError for JSON that is no request; and for what is not JSON
    msgspec.DecodeError, RecursionError or UnicodeDecodeError.
    """
    return msgspec.convert(_unambiguous(raw), RequestBody)


def read_variables(text: str) -> dict[str, Any] | None:
    """Return the variables that a URL parameter holds. Raises as `read_body` does, and UnicodeEncodeError."""
    return msgspec.convert(_unambiguous(text.encode()), dict[str, Any] | None)


def _unambiguous(raw: bytes) -> Any:
    value = _decode(raw)
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
