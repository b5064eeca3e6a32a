"""Comparison of a live database's schema with the schema that the migrations make.

It finds guards that were dropped, disabled or replaced by ones without effect, and privileges that no migration grants.
The schema of the migrations is stored in `schema.json`, with one line for each object; a test compares the file with a
migrated database.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from bank.database.connection import ROLE
from bank.database.statements import load_statements

EXPECTED = Path(__file__).with_name("schema.json")
# A sentence has to fit on one or two lines of a terminal, but the body of a function is longer.
SHOWN_CHARACTERS_MAX = 80

_queries = load_statements(__file__, "schema.sql")


async def describe_schema(connection: Any) -> dict[str, str]:
    """Return the definition of every object of the bank's schema, by kind and name."""
    return {row["object"]: row["definition"] async for row in _queries.describe_schema(connection, role=ROLE)}


async def logins_of_role(connection: Any) -> list[str]:
    """Return the users, without superusers, that may use the bank's role."""
    return [row["rolname"] async for row in _queries.working_as(connection, role=ROLE)]


@cache
def expected_schema() -> Mapping[str, str]:
    """Return the result of `describe_schema` for a database that was just migrated."""
    expected: dict[str, str] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return expected


async def compare_schema(connection: Any) -> list[dict[str, Any]]:
    """Return the first difference from the expected schema as the row of a query, or nothing."""
    differences = list(_differences(expected_schema(), await describe_schema(connection)))
    if not differences:
        return []
    return [{"invariant": "schema_as_migrated", "broken": len(differences), **differences[0]}]


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield each object that differs: first the missing and changed ones, then the additional ones."""
    for name, definition in expected.items():
        if name not in found:
            yield {"place": name, "what": "it", "expected": "there, as the migrations make it", "found": "missing"}
        elif found[name] != definition:
            wanted, is_now = _difference(definition, found[name])
            yield {"place": name, "what": "its definition", "expected": wanted, "found": is_now}
    for name in sorted(found.keys() - expected.keys()):
        yield {
            "place": name,
            "what": "it",
            "expected": "none of the bank's",
            "found": _shortened(found[name]) or "there",
        }


def _difference(expected: str, found: str) -> tuple[str, str]:
    """Return both texts without their common first words, so that the difference is visible."""
    words_expected, words_found = expected.split(" "), found.split(" ")
    pairs = zip(words_expected, words_found, strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def rest(words: list[str]) -> str:
        return ("… " if common else "") + (_shortened(" ".join(words[common:])) or "nothing more")

    return rest(words_expected), rest(words_found)


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"
