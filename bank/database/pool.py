"""The pool of connections, owned by `databases`; statements run on the asyncpg connection underneath.

Measured: a query through `databases` costs 1.4 times one on its raw connection, and its text rewriting breaks casts.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import structlog
from asyncpg.exceptions import InternalClientError
from databases import Database as Pool
from databases.core import Connection as PooledConnection

from bank.cancelling import raise_if_cancelled
from bank.database.connecting import Connecting
from bank.errors import OutcomeUnknown, Overloaded, Unavailable

logger = structlog.get_logger(__name__)

# What asyncpg and the socket raise when the server is gone, restarting or out of connections.
CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    # What asyncpg makes of a statement on a connection whose end it has not noticed yet.
    InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)

# What PostgreSQL says when it has given up a statement, and undone it, for reasons that are not the statement's.
GIVEN_UP = (
    asyncpg.QueryCanceledError,  # by the statement time-out: something else held a lock, or all of the disk
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

# What the running bank works as, whoever it logs in as: the migrations say what it may.
ROLE = "bank_app"


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
        self._connecting = Connecting()
        self._pool = Pool(
            url,
            connect=self._connecting.connect,
            min_size=min(4, pool_size),
            max_size=pool_size,
            connection_class=_Connection,
            # A lost server must not hold a caller for the operating system's minutes.
            timeout=5,
            command_timeout=statement_timeout_ms / 1000 + 1,
            server_settings={
                "application_name": "bank",
                "role": ROLE,
                "statement_timeout": str(statement_timeout_ms),
                # A worker that stops in the middle of a transaction must not hold its locks.
                "idle_in_transaction_session_timeout": str(statement_timeout_ms),
                # Plans of the short statements here gain nothing from compilation.
                "jit": "off",
            },
        )

    async def open(self) -> None:
        """Connect. Raises `Unavailable` where the server does not answer, `WrongRole` where it refuses the role."""
        try:
            await self._pool.connect()
        except asyncpg.InsufficientPrivilegeError as error:
            user = urlsplit(self.url).username
            raise WrongRole(
                f"The database user {user} may not work as the role {ROLE}. "
                f"An administrator runs once: grant {ROLE} to {user};"
            ) from error
        except asyncpg.InvalidParameterValueError as error:
            raise WrongRole(f"The database server has no role {ROLE}: run `bank migrate` first.") from error
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise Unavailable(f"The database does not answer: {error or type(error).__name__}.") from error

    async def close(self) -> None:
        """Disconnect; connections in use are waited for."""
        await self._pool.disconnect()
        await self._connecting.close()

    @asynccontextmanager
    async def transaction(self, begin: str) -> AsyncIterator[Any]:
        """Lend a connection inside a transaction that `begin` has opened; commit it when the block ends without error.

        `begin` is `begin` and whatever goes first, in one round trip: `begin; set local …`.
        Raises `OutcomeUnknown` where the connection broke around the commit.
        """
        async with self.connection() as connection:
            try:
                await connection.execute(begin)
                yield connection
            except BaseException as error:
                await _undo(connection, error)
                raise
            try:
                await connection.execute("commit")
            except (*CONNECTION_LOST, TimeoutError) as error:
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
        except CONNECTION_LOST as error:
            raise Unavailable("The database does not answer; try again in a moment.") from error
        try:
            yield pooled.raw_connection
        except CONNECTION_LOST as error:
            # Before any commit: that one is guarded by `transaction`, and what was begun is undone.
            _drop(pooled.raw_connection)
            raise_if_cancelled()
            raise Unavailable("The connection to the database broke; try again in a moment.") from error
        except GIVEN_UP as error:
            raise Unavailable("The database took too long; try again in a moment.") from error
        finally:
            await pooled.__aexit__()


async def _undo(connection: Any, error: BaseException) -> None:
    """Roll back; where that fails, drop the connection, and the server does it: the first error is the one to tell."""
    if isinstance(error, CONNECTION_LOST):
        # A server that did not answer in time would only be waited for once more.
        _drop(connection)
        return
    try:
        await connection.execute("rollback")
    except (*CONNECTION_LOST, TimeoutError, asyncpg.PostgresError) as failed:
        logger.info("rollback_failed", error=repr(failed))
        _drop(connection)


def _drop(connection: Any) -> None:
    """Close a connection that cannot be trusted any more, without another word to the server."""
    # The pool takes a connection back as soon as it notices its end; then there is nothing left to close.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
