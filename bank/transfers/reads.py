"""Read an account's history, a page at a time."""

from typing import Any
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HISTORY_PAGE = _queries.history_page.sql


async def history_page(snapshot: ReadSnapshot, account_id: UUID, *, before: int, most: int) -> list[Any]:
    """Return up to `most` entries of an account with versions below `before`, newest first, with their transactions."""
    return await snapshot.fetch(_HISTORY_PAGE, account_id, before, most)
