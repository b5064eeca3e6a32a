"""Reads of accounts from a snapshot, and the look-up of accounts by number."""

from uuid import UUID

from cachetools import LRUCache

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements
from bank.ledger.model import Account

queries = load_statements(__file__)

_BY_ID = queries.account_by_id.sql
_OF_USER = queries.accounts_of_user.sql


async def find_account(snapshot: ReadSnapshot, account_id: UUID) -> Account | None:
    """Return an account, or None for an unknown id."""
    row = await snapshot.fetch_row(_BY_ID, account_id)
    return Account(*row) if row else None


async def accounts_of(snapshot: ReadSnapshot, user_id: UUID) -> list[Account]:
    """Return every account of a user, oldest first."""
    return [Account(*row) for row in await snapshot.fetch(_OF_USER, user_id)]


# The number of an account never changes, so that a cached number is never wrong. 100,000 numbers take 27 MB.
NUMBERS_MAX = 100_000


class AccountDirectory:
    """Look-up of accounts by their number, cached in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: LRUCache[str, UUID] = LRUCache(NUMBERS_MAX)

    async def id_of(self, number: str) -> UUID | None:
        """Return the id of the customer account with this number, or None."""
        if known := self._ids.get(number):
            return known
        async with self._database.connection() as connection:
            found: UUID | None = await queries.id_by_number(connection, number=number)
        if found is not None:
            self._ids[number] = found
        return found
