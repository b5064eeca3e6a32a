"""Reads of transactions."""

from uuid import UUID

from bank.database.pool import Database
from bank.database.statements import load_statements

_queries = load_statements(__file__)


async def transaction_accounts(database: Database, transaction_id: UUID) -> tuple[tuple[UUID, ...], UUID | None]:
    """Return the debited and the credited account of a transaction, and the customer who got or paid the money.

    For an unknown transaction, returns an empty tuple and None.
    """
    async with database.connection() as connection:
        row = await _queries.transaction_accounts(connection, id=transaction_id)
    return ((row[0], row[1]), row[2]) if row else ((), None)
