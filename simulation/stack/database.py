"""The bank's database, on a separate connection, with the statements of the faults and of the run.

The statements that read the evidence for the checks are in `judge/observe.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from fixtures.backends.reach import plain_url

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The exceptions of a statement if the database is not reachable."""

POLL_S = 0.1

LEASES = "select subscriber, leased_until from subscriber_positions"

LISTENING = "bank-listener"
"""The application name of the connections on which workers listen for notifications."""

DISCONNECT_LISTENERS = """
    select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
    where application_name = $1 and datname = current_database()
"""


# The advisory lock identifies the connection that posts, because only one connection holds it and the others wait.
IDLE_BATCHES = """
    select pid, state_change from pg_stat_activity join pg_locks using (pid)
    where locktype = 'advisory' and mode = 'ExclusiveLock' and granted and state = 'idle in transaction'
    and datname = current_database()
"""


WRITTEN = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"

ON_DISK = "select (pg_current_wal_flush_lsn() - '0/0')::bigint"

LOCK_ACCOUNTS = "lock table accounts in access exclusive mode"

HEAD = "select position from event_log_head"
POSITIONS = "select subscriber, position from subscriber_positions order by subscriber"


class BankDatabase:
    """The bank's database on one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._busy = asyncio.Lock()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        """Provide the connection in one read-only REPEATABLE READ transaction."""
        async with self._busy, self._connection.transaction(isolation="repeatable_read", readonly=True):
            yield self._connection

    async def drained(self) -> bool:
        """Return whether every subscriber has handled every event."""
        async with self.snapshot() as connection:
            head = await connection.fetchval(HEAD)
            positions = await connection.fetch(POSITIONS)
        return bool(positions) and all(row["position"] == head for row in positions)

    async def wait_until_drained(self, timeout_s: float) -> bool:
        """Wait until every subscriber has handled every event, or the time-out is over; return whether they have."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.drained():  # noqa: ASYNC110 - another process' database cannot signal an Event
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    async def leases(self) -> dict[str, datetime | None]:
        """Return the end of the lease of each subscriber."""
        return {row["subscriber"]: row["leased_until"] for row in await self._connection.fetch(LEASES)}

    async def disconnect_listeners(self) -> int:
        """End the connections on which workers listen for notifications; return how many there were."""
        return int(await self._connection.fetchval(DISCONNECT_LISTENERS, LISTENING))

    async def written(self) -> int:
        """Return the end of PostgreSQL's write-ahead log, in bytes."""
        return int(await self._connection.fetchval(WRITTEN))

    async def on_disk(self) -> int:
        """Return the end of that log on the disk, in bytes; a crash loses everything after it."""
        return int(await self._connection.fetchval(ON_DISK))

    async def idle_batches(self) -> set[tuple[int, datetime]]:
        """Return the connections that are idle in the middle of a batch, each with the start of its idle time."""
        return {(row["pid"], row["state_change"]) for row in await self._connection.fetch(IDLE_BATCHES)}

    @asynccontextmanager
    async def accounts_locked(self) -> AsyncIterator[None]:
        """Block all reads and writes of accounts for the block, as a change of the table does."""
        async with self._connection.transaction():
            await self._connection.execute(LOCK_ACCOUNTS)
            yield


@asynccontextmanager
async def open_database(database_url: str) -> AsyncIterator[BankDatabase]:
    """Connect to the bank's database. Raises OSError or an exception of asyncpg if it is not reachable."""
    settings = {"application_name": "bank-simulation"}
    connection = await asyncpg.connect(plain_url(database_url), server_settings=settings)
    try:
        yield BankDatabase(connection)
    finally:
        await connection.close()
