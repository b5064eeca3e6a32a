"""The pool of connections, owned by `databases`; statements run on the asyncpg connection underneath.

Measured: a query through `databases` costs 1.4 times one on its raw connection, and its text rewriting breaks casts.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any

import asyncpg
import structlog
from databases import Database as Pool
from databases.core import Connection as PooledConnection

from bank.cancelling import raise_if_cancelled
from bank.database.connecting import Connecting
from bank.database.connection import ROLE, options_for, read_url
from bank.database.failures import (
    CONNECTION_LOST,
    ends_connection,
    is_read_only,
    is_unknown_at_commit,
    reason,
    told_of,
)
from bank.errors import OutcomeUnknown, Overloaded, Unavailable, Undone

logger = structlog.get_logger(__name__)

# A server that takes no writes is asked anew, over new connections, once in this time: each costs it a process.
RENEW_S = 1.0


# Between two statements of a transaction a process decides for some 30 ms; a busy machine or a garbage collection holds
# it up for 100 or 200. One that says nothing for longer is stopped, and everybody waits for what it has locked: its
# batch, its subscriber, the log. PostgreSQL undoes what it has begun; who was only slow does it again (`Undone`).
IDLE_IN_TRANSACTION_MS = 500
IDLE_BOUND = f"set local idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}"


class WrongRole(Exception):
    """The bank cannot work as its role in this database; the message says what to do."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection that is not reset between uses: the bank sets nothing on a session; the reset is a round trip."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A bounded pool of connections to one PostgreSQL database.

    `pool_timeout_ms` bounds the wait for a free connection (then `Overloaded`), `statement_timeout_ms` each statement.
    """

    def __init__(self, url: str, *, pool_size: int, pool_timeout_ms: int, statement_timeout_ms: int) -> None:
        self.url = url
        self._pool_timeout_s = pool_timeout_ms / 1000
        self._renewed_s = -RENEW_S
        self._connecting = Connecting()
        settings = {
            "role": ROLE,
            "statement_timeout": str(statement_timeout_ms),
            # A worker that stops in the middle of a query must not hold the rows that a vacuum waits for.
            "idle_in_transaction_session_timeout": str(statement_timeout_ms),
        }
        connect = options_for(url, name="bank", settings=settings)
        self._pool = Pool(
            # `databases` reads of a URL what it knows of; where to connect to is in `connect`, which the driver reads.
            "postgresql://",
            connect=partial(self._connecting.connect, connect),
            min_size=min(4, pool_size),
            max_size=pool_size,
            connection_class=_Connection,
            # A lost server must not hold a caller for the operating system's minutes.
            timeout=5,
            command_timeout=statement_timeout_ms / 1000 + 1,
        )

    async def open(self) -> None:
        """Connect. Raises `Unavailable` where the server does not answer, `WrongRole` where it refuses the role."""
        try:
            await self._pool.connect()
        except asyncpg.InsufficientPrivilegeError as error:
            user = read_url(self.url).user
            raise WrongRole(
                f"The database user {user} may not work as the role {ROLE}. "
                f"An administrator runs once: grant {ROLE} to {user};"
            ) from error
        except asyncpg.InvalidParameterValueError as error:
            raise WrongRole(f"The database server has no role {ROLE}: run `bank migrate` first.") from error
        except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
            raise Unavailable(f"The database does not answer: {reason(error)}.") from error

    async def close(self) -> None:
        """Disconnect; connections in use are waited for."""
        await self._pool.disconnect()
        await self._connecting.close()

    async def _connect_anew(self) -> None:
        """Let every connection be made anew at its next use: the name may lead to another server by now."""
        if monotonic() - self._renewed_s >= RENEW_S:
            self._renewed_s = monotonic()
            await self._pool._backend._pool.expire_connections()  # noqa: SLF001 - no public way

    @asynccontextmanager
    async def transaction(self, begin: str) -> AsyncIterator[Any]:
        """Lend a connection inside a transaction that `begin` has opened; commit it when the block ends without error.

        `begin` is `begin` and whatever goes first, in one round trip: `begin; set local …`.
        Raises `OutcomeUnknown` where the connection broke around the commit.
        """
        async with self.connection() as connection:
            try:
                await _begin(connection, begin)
                yield connection
            except BaseException as error:
                await _undo(connection, error)
                raise
            try:
                await connection.execute("commit")
            except Exception as error:
                if not is_unknown_at_commit(error):
                    raise
                _drop(connection)
                raise OutcomeUnknown("The connection broke while committing; a retry finds out.") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend an asyncpg connection.

        Raises `Overloaded` where none is free in time, `Unavailable` where none can be had, it breaks while lent, or
        PostgreSQL gives up what is done on it.
        """
        # A connection of its own each time: `databases` would share one within a task.
        pooled = PooledConnection(self._pool, self._pool._backend)  # noqa: SLF001 - Database.connection() is per task
        try:
            async with asyncio.timeout(self._pool_timeout_s):
                await pooled.__aenter__()
        except TimeoutError:
            raise Overloaded("Every database connection is busy; try again in a moment.") from None
        except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
            raise Unavailable("The database does not answer; try again in a moment.") from error
        try:
            yield pooled.raw_connection
        except Exception as error:
            # Before any commit: that one is guarded by `transaction`, and what was begun is undone.
            if (told := told_of(error)) is None:
                raise
            if ends_connection(error):
                _drop(pooled.raw_connection)
            elif is_read_only(error):
                await self._connect_anew()
            raise_if_cancelled()
            raise told from error
        finally:
            await pooled.__aexit__()


async def _begin(connection: Any, begin: str) -> None:
    """Begin a transaction. Raises `Undone` where the connection has ended while nobody used it: the next one is new."""
    try:
        await connection.execute(f"{begin}; {IDLE_BOUND}")
    except Exception as error:
        if not ends_connection(error):
            raise
        _drop(connection)
        raise Undone("The database undid this in the middle; try again.") from error


async def _undo(connection: Any, error: BaseException) -> None:
    """Roll back; where that fails, drop the connection, and the server does it: the first error is the one to tell."""
    if ends_connection(error):
        # A server that did not answer in time would only be waited for once more.
        _drop(connection)
        return
    try:
        await connection.execute("rollback")
    except (*CONNECTION_LOST, asyncpg.PostgresError) as failed:
        logger.info("rollback_failed", error=failed)
        _drop(connection)


def _drop(connection: Any) -> None:
    """Close a connection that cannot be trusted any more, without another word to the server."""
    # The pool takes a connection back as soon as it notices its end; then there is nothing left to close.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
