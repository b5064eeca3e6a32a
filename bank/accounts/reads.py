"""Reads of accounts from a snapshot, and the look-up of accounts by number."""

from typing import NamedTuple
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


# The number and the owner of an account never change, so that a cached one is never wrong. 100,000 take 34 MB.
NUMBERS_MAX = 100_000


class AccountReference(NamedTuple):
    """The id of an account and its owner."""

    id: UUID
    owner_id: UUID


class AccountDirectory:
    """Look-up of accounts by their number, cached in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accounts: LRUCache[str, AccountReference] = LRUCache(NUMBERS_MAX)

    async def find(self, number: str) -> AccountReference | None:
        """Return the customer account with this number, or None."""
        if known := self._accounts.get(number):
            return known
        async with self._database.connection() as connection:
            row = await queries.account_by_number(connection, number=number)
        if row is None:
            return None
        self._accounts[number] = found = AccountReference(*row)
        return found

    async def id_of(self, number: str) -> UUID | None:
        """Return the id of the customer account with this number, or None."""
        found = await self.find(number)
        return found.id if found else None
