"""An account's history: its entries a page at a time, and its balance at any instant."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HISTORY_PAGE = _queries.history_page.sql
_POSITION_BEFORE = _queries.position_before.sql


class Position(NamedTuple):
    """An account at an instant: its number of entries (`version`), and their sum."""

    version: int
    balance_minor: int


async def history_page(
    snapshot: ReadSnapshot, account_id: UUID, *, before: int, most: int, after: int = 0
) -> list[Any]:
    """Return up to `most` entries of an account with versions between `after` and `before`, both excluded.

    They are sorted newest first, each with its transaction.
    """
    return await snapshot.fetch(_HISTORY_PAGE, account_id, after, before, most)


async def position_before(snapshot: ReadSnapshot, account_id: UUID, moment: datetime) -> Position:
    """Return an account's position right before a moment, from its entries alone."""
    (row,) = await snapshot.fetch(_POSITION_BEFORE, account_id, moment)
    return Position(row["version"], row["balance_minor"])
