"""The object types of the contract's schema, with their fields and the types of these, read from its files."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from contracts import SCHEMA

LEAVES = frozenset(
    {
        "ID",
        "String",
        "Boolean",
        "Int",
        "Decimal",
        "DateTime",
        "Date",
        "CPF",
        "PhoneNumber",
        "AccountNumber",
        "CurrencyCode",
        "Money",
    }
)
"""Types that are compared as one value. Money is one of them, because an amount has no meaning without its currency."""

_BLOCK = re.compile(r"^(?:extend )?type (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+)(?:\([^)]*\))?: ([\w\[\]!]+)", re.MULTILINE)
_ENUM = re.compile(r"^enum (\w+) \{", re.MULTILINE)
_DESCRIPTION = re.compile(r'^\s*"""?.*?"?""?\s*$\n?', re.MULTILINE)


@cache
def types() -> Mapping[str, Mapping[str, str]]:
    """Return the type name of each field, without list and non-null marks, by object type and field."""
    found: dict[str, dict[str, str]] = {}
    for text in _texts():
        for name, body in _BLOCK.findall(text):
            fields = found.setdefault(name, {})
            fields |= {field: kind.strip("[]!") for field, kind in _FIELD.findall(_DESCRIPTION.sub("", body))}
    return MappingProxyType(found)


@cache
def leaves() -> frozenset[str]:
    """Return the names of all types that are compared as one value: scalars, enums and Money."""
    return LEAVES | {name for text in _texts() for name in _ENUM.findall(text)}


def _texts() -> list[str]:
    files = sorted(SCHEMA.iterdir(), key=lambda file: file.name)
    return [file.read_text("utf-8") for file in files if file.name.endswith(".graphql")]
