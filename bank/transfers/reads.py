"""Reads of transactions."""

from uuid import UUID

from bank.database.pool import Database
from bank.database.statements import load_statements

_queries = load_statements(__file__)


async def transaction_accounts(database: Database, transaction_id: UUID) -> tuple[UUID, ...]:
    """Return the debited and the credited account of a transaction; an empty tuple for an unknown transaction."""
    async with database.connection() as connection:
        return tuple(await _queries.transaction_accounts(connection, id=transaction_id) or ())
