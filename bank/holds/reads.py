"""Reads of holds: those on an account, those that have expired, and the two accounts of one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HOLDS_OF = _queries.holds_of.sql

# What one screen shows; clients that want more ask for pages.
HOLDS_MAX = 100
# The largest UUID of RFC 9562: every id is before it.
MAX_UUID = UUID(int=2**128 - 1)


async def holds_of(
    snapshot: ReadSnapshot, account_id: UUID, *, before: UUID = MAX_UUID, max_rows: int = HOLDS_MAX
) -> list[Any]:
    """Return up to `max_rows` holds on an account, newest first, that were made before the hold `before`."""
    return await snapshot.fetch(_HOLDS_OF, account_id, before, max_rows)


async def hold_accounts(database: Database, hold_id: UUID) -> tuple[UUID, ...]:
    """Return the account that a hold is on and the one that it is for; nothing for an unknown hold."""
    async with database.connection() as connection:
        return tuple(await _queries.hold_accounts(connection, id=hold_id) or ())


async def expired_holds(database: Database, *, now: datetime, max_rows: int) -> list[Any]:
    """Return up to `max_rows` holds whose time is over and that have not ended."""
    async with database.connection() as connection:
        return [row async for row in _queries.expired_holds(connection, now=now, max_rows=max_rows)]
