"""The pool of connections, owned by `databases`. Statements run on its raw asyncpg connections.

A query through `databases` takes 1.4 times as long as on a raw connection (measured), and its rewriting of texts breaks
casts.
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
from bank.database.connecting import ConnectionAttempts
from bank.database.connection import ROLE, options_for, read_url
from bank.database.failures import (
    CONNECTION_LOST,
    ROLLED_BACK,
    ends_connection,
    error_for_client,
    is_read_only,
    is_unknown_at_commit,
    reason,
)
from bank.errors import OperatorError, OutcomeUnknown, Overloaded, TransactionRolledBack, Unavailable

logger = structlog.get_logger(__name__)

# While the server is read-only, the connections are replaced at most once in this time, because each new connection
# costs the server a process.
RENEW_S = 1.0


# Between two statements of a transaction, a worker needs about 30 ms for its decisions, and 100 or 200 ms on a busy
# machine or during a garbage collection. A worker that is idle for longer has stopped, and other workers wait for its
# locks: on its batch, its subscriber and the log. So PostgreSQL rolls back its transaction. A worker that was only slow
# tries again (`TransactionRolledBack`).
IDLE_IN_TRANSACTION_MS = 500
IDLE_BOUND = f"set local idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}"


class WrongRole(OperatorError):
    """The bank cannot use its role in this database; the message has the remedy."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection that is not reset between uses: the bank changes no session, and a reset is a round trip."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A bounded pool of connections to one PostgreSQL database.

    `pool_timeout_ms` limits the wait for a free connection (then `Overloaded`), `statement_timeout_ms` each statement.
    """

    def __init__(self, url: str, *, pool_size: int, pool_timeout_ms: int, statement_timeout_ms: int) -> None:
        self.url = url
        self._pool_timeout_s = pool_timeout_ms / 1000
        self._renewed_s = -RENEW_S
        self._attempts = ConnectionAttempts()
        settings = {
            "role": ROLE,
            "statement_timeout": str(statement_timeout_ms),
            # A worker that stops during a read must not keep its snapshot, because a vacuum could not remove old rows.
            "idle_in_transaction_session_timeout": str(statement_timeout_ms),
        }
        connect = options_for(url, name="bank", settings=settings)
        self._pool = Pool(
            # `databases` gets no server, since it supports only a part of a URL. The driver connects as in `connect`.
            "postgresql://",
            connect=partial(self._attempts.connect, connect),
            min_size=min(4, pool_size),
            max_size=pool_size,
            connection_class=_Connection,
            # Without a time-out, a caller would wait for an unreachable server for minutes.
            timeout=5,
            command_timeout=statement_timeout_ms / 1000 + 1,
        )

    async def open(self) -> None:
        """Connect. Raises `Unavailable` if the server does not respond, and `WrongRole` if it refuses the role."""
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
        """Close all connections, after their current uses."""
        await self._pool.disconnect()
        await self._attempts.close()

    async def _renew_connections(self) -> None:
        """Replace every connection at its next use, because the host name may lead to another server now."""
        if monotonic() - self._renewed_s >= RENEW_S:
            self._renewed_s = monotonic()
            await self._pool._backend._pool.expire_connections()  # noqa: SLF001 - no public way

    @asynccontextmanager
    async def transaction(self, begin: str) -> AsyncIterator[Any]:
        """Yield a connection in a transaction, and commit it if the block ends without an error.

        `begin` is the statement `begin` and the first statements, in one round trip: `begin; set local …`.
        Raises `TransactionRolledBack` if the connection is closed before the commit, `OutcomeUnknown` if it is lost
        during the commit, and the errors of `connection`.
        """
        async with self.connection() as connection:
            try:
                await _begin(connection, begin)
                yield connection
            except BaseException as error:
                await _roll_back(connection, error)
                raise
            if _is_closed(connection):
                # No COMMIT is sent, so that the server rolls back. Once one may have been sent, the outcome is unknown.
                raise TransactionRolledBack(ROLLED_BACK)
            try:
                await connection.execute("commit")
            except Exception as error:
                if not is_unknown_at_commit(error):
                    raise
                _drop(connection)
                raise OutcomeUnknown("The connection broke while committing; a retry finds out.") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Yield an asyncpg connection.

        Raises `Overloaded` if no connection is free before the time-out, and `Unavailable` if the server does not
        respond, if the connection is lost, or for another transient error of PostgreSQL in the block.
        """
        # A new PooledConnection each time, because `databases` would share one within a task.
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
            # Nothing was committed: `transaction` handles errors of the commit itself.
            if (bank_error := error_for_client(error)) is None:
                raise
            if ends_connection(error):
                _drop(pooled.raw_connection)
            elif is_read_only(error):
                await self._renew_connections()
            raise_if_cancelled()
            raise bank_error from error
        finally:
            await _release(pooled)


async def _release(pooled: PooledConnection) -> None:
    """Return a connection to the pool."""
    try:
        await pooled.__aexit__()
    except asyncpg.InternalClientError:
        # The connection ended at this moment, and the pool has taken it back by itself.
        if not _is_closed(pooled.raw_connection):
            raise


async def _begin(connection: Any, begin: str) -> None:
    """Begin a transaction. Raises `TransactionRolledBack` if the connection was closed since its last use."""
    try:
        await connection.execute(f"{begin}; {IDLE_BOUND}")
    except Exception as error:
        if not ends_connection(error):
            raise
        _drop(connection)
        raise TransactionRolledBack(ROLLED_BACK) from error


async def _roll_back(connection: Any, error: BaseException) -> None:
    """Roll back. If that fails, drop the connection, so that the server rolls back; `error` is raised by the caller."""
    if ends_connection(error):
        # After a time-out of the server, a rollback would only wait for another time-out.
        _drop(connection)
        return
    try:
        await connection.execute("rollback")
    except (*CONNECTION_LOST, asyncpg.PostgresError) as failed:
        logger.info("rollback_failed", error=failed)
        _drop(connection)


def _is_closed(connection: Any) -> bool:
    """Return whether the driver has noticed the end of a connection, after which it sends nothing over it."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken the connection back
        return True


def _drop(connection: Any) -> None:
    """Close a broken connection, without another message to the server."""
    # If the driver has noticed the end of the connection, the pool has taken it back, and there is nothing to close.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
