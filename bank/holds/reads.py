"""Reads of holds: the holds on an account, the expired holds, and the two accounts of a hold."""

from datetime import datetime
from typing import Any
from uuid import UUID

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HOLDS_OF = _queries.holds_of.sql

# One screen of a client. For more holds, clients read the pages of `holdPage`.
HOLDS_MAX = 100
# The largest UUID of RFC 9562, so that every id is before it.
MAX_UUID = UUID(int=2**128 - 1)


async def holds_of(
    snapshot: ReadSnapshot, account_id: UUID, *, before: UUID = MAX_UUID, max_rows: int = HOLDS_MAX
) -> list[Any]:
    """Return up to `max_rows` holds on an account that are older than the hold `before`, newest first."""
    return await snapshot.fetch(_HOLDS_OF, account_id, before, max_rows)


async def hold_accounts(database: Database, hold_id: UUID) -> tuple[UUID, ...]:
    """Return the debited and the receiving account of a hold; an empty tuple for an unknown hold."""
    async with database.connection() as connection:
        return tuple(await _queries.hold_accounts(connection, id=hold_id) or ())


async def expired_holds(database: Database, *, now: datetime, max_rows: int) -> list[Any]:
    """Return up to `max_rows` holds that are past their expiry time and have not ended yet."""
    async with database.connection() as connection:
        return [row async for row in _queries.expired_holds(connection, now=now, max_rows=max_rows)]
