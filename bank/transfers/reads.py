"""Read what has moved: an account's history a page at a time, its balance at any instant, its holds."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_HISTORY_PAGE = _queries.history_page.sql
_POSITION_BEFORE = _queries.position_before.sql
_HOLDS_OF = _queries.holds_of.sql

# What one screen shows; who wants more than the latest asks for pages.
HOLDS_MAX = 100
# Every id is before it.
LATEST = UUID(int=2**128 - 1)


class Position(NamedTuple):
    """How an account stood at an instant: how many entries it had, and what they sum to."""

    version: int
    balance_minor: int


async def history_page(
    snapshot: ReadSnapshot, account_id: UUID, *, before: int, most: int, after: int = 0
) -> list[Any]:
    """Return up to `most` entries of an account with versions between `after` and `before`, both excluded.

    They come newest first, each with its transaction.
    """
    return await snapshot.fetch(_HISTORY_PAGE, account_id, after, before, most)


async def position_before(snapshot: ReadSnapshot, account_id: UUID, moment: datetime) -> Position:
    """Return how an account stood right before a moment, from its entries alone."""
    (row,) = await snapshot.fetch(_POSITION_BEFORE, account_id, moment)
    return Position(row["version"], row["balance_minor"])


async def holds_of(
    snapshot: ReadSnapshot, account_id: UUID, *, before: UUID = LATEST, most: int = HOLDS_MAX
) -> list[Any]:
    """Return up to `most` holds on an account, the latest first, from the one that was made before hold `before`."""
    return await snapshot.fetch(_HOLDS_OF, account_id, before, most)


async def sides_of(database: Database, transaction_id: UUID) -> tuple[UUID, ...]:
    """Return the debited and the credited account of a transaction, or nothing where there is none."""
    async with database.connection() as connection:
        return tuple(await _queries.sides_of(connection, id=transaction_id) or ())


async def hold_sides(database: Database, hold_id: UUID) -> tuple[UUID, ...]:
    """Return the account that a hold is on and the one that it is for, or nothing where there is none."""
    async with database.connection() as connection:
        return tuple(await _queries.hold_sides(connection, id=hold_id) or ())


async def expired_holds(database: Database, *, now: datetime, most: int) -> list[Any]:
    """Return holds whose time is over and that have not ended, `most` at most."""
    async with database.connection() as connection:
        return [row async for row in _queries.expired_holds(connection, now=now, most=most)]
