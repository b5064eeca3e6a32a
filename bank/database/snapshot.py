"""Read snapshots: all statements of a query see the database as of one instant (R11)."""

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

from bank.database.failures import is_outdated, is_transient
from bank.database.pool import Database
from bank.errors import Unavailable


class ReadSnapshot:
    """A REPEATABLE READ transaction that begins with its first statement and ends with the request.

    The statement `first` runs before the transaction begins. Resolvers of one request may run concurrently; their
    statements run one after the other. `database_s` is the time spent waiting for the database, in seconds.
    `is_outdated` is true after an error because a migration has changed the tables; another snapshot can succeed.
    """

    def __init__(self, database: Database, *, first: str | None = None) -> None:
        self._database = database
        self._first = first
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._connection: Any = None
        self._broken = False
        self.is_outdated = False
        self.database_s = 0.0

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        """Run a statement and return its rows. Raises `Unavailable`, or `Overloaded` if no connection is free."""
        async with self._lock:
            if self._broken:
                # A new transaction would see another instant.
                raise Unavailable("The connection to the database broke; try again in a moment.")
            started = perf_counter()
            try:
                if self._connection is None:
                    await self._begin()
                return list(await self._connection.fetch(sql, *arguments))
            except Exception as error:
                if is_transient(error):
                    self._broken = True
                    self.is_outdated = is_outdated(error)
                    await self._stack.__aexit__(type(error), error, error.__traceback__)
                raise
            finally:
                self.database_s += perf_counter() - started

    async def fetch_row(self, sql: str, *arguments: object) -> Any | None:
        """Run a statement and return its first row, or None."""
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None

    async def _begin(self) -> None:
        connection = await self._stack.enter_async_context(self._database.connection())
        if self._first is not None:
            await connection.execute(self._first)
        await self._stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        self._connection = connection

    async def close(self) -> None:
        """End the transaction, if it has begun."""
        await self._stack.aclose()
        self._connection = None
