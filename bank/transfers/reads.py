"""Read an account's history, a page at a time."""

from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql

from bank.database.snapshot import ReadSnapshot

_queries = aiosql.from_path(Path(__file__).with_name("queries.sql"), "asyncpg")
_HISTORY_PAGE = _queries.history_page.sql

NEWEST = 2**63 - 1


async def history_page(snapshot: ReadSnapshot, account_id: UUID, *, before: int, most: int) -> list[Any]:
    """Return up to `most` entries of an account with versions below `before`, newest first, with their transactions."""
    return await snapshot.fetch(_HISTORY_PAGE, account_id, before, most)
