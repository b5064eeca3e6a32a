"""An account's history: its entries a page at a time, and its balance at any instant."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HISTORY_PAGE = _queries.history_page.sql
_BALANCE_BEFORE = _queries.balance_before.sql


class PastBalance(NamedTuple):
    """The balance of an account at an instant, and its number of entries then (`version`)."""

    version: int
    balance_minor: int


async def history_page(
    snapshot: ReadSnapshot, account_id: UUID, *, before: int, max_rows: int, after: int = 0
) -> list[Any]:
    """Return up to `max_rows` entries of an account with versions between `after` and `before`, both excluded.

    They are sorted newest first, each with its transaction.
    """
    return await snapshot.fetch(_HISTORY_PAGE, account_id, after, before, max_rows)


async def balance_before(snapshot: ReadSnapshot, account_id: UUID, moment: datetime) -> PastBalance:
    """Return an account's balance right before a moment, from its entries alone."""
    (row,) = await snapshot.fetch(_BALANCE_BEFORE, account_id, moment)
    return PastBalance(row["version"], row["balance_minor"])
