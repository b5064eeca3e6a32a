"""Connection attempts that survive the time-out of their caller.

A caller waits for a connection only for a limited time, but the attempt continues after that. Otherwise, if connecting
takes longer than this time, as on a busy machine after a restart, no caller would ever get a connection.
"""

import asyncio
from collections import deque
from typing import Any

import asyncpg

_SERVER_OPTIONS = frozenset({"host", "port", "user", "password", "database"})


class ConnectionAttempts:
    """Connection attempts of a pool. The next caller takes over an attempt whose caller has stopped waiting.

    There are never more abandoned attempts than places in the pool, because each belongs to a place without a
    connection.
    """

    def __init__(self) -> None:
        self._abandoned: deque[asyncio.Task[Any]] = deque()

    async def connect(self, server: dict[str, Any], _dsn: str | None = None, **options: Any) -> Any:
        """Return a new connection. Raises the errors of asyncpg, whose time-out limits each attempt.

        `server` has the connection options. It overrides the server that `databases` and asyncpg's pool pass.
        """
        chosen = {name: value for name, value in options.items() if name not in _SERVER_OPTIONS} | server
        attempt = self._next_abandoned() or asyncio.create_task(asyncpg.connect(**chosen))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            if not attempt.cancelled():
                attempt.add_done_callback(_error_of)
                self._abandoned.append(attempt)
            raise

    def _next_abandoned(self) -> asyncio.Task[Any] | None:
        """Return the oldest abandoned attempt that is still running or has an open connection."""
        while self._abandoned:
            attempt = self._abandoned.popleft()
            if not attempt.done() or (_error_of(attempt) is None and not attempt.result().is_closed()):
                return attempt
        return None

    async def close(self) -> None:
        """Cancel the abandoned attempts, and close their connections."""
        while self._abandoned:
            attempt = self._abandoned.popleft()
            attempt.cancel()
            await asyncio.wait({attempt})
            if _error_of(attempt) is None:
                attempt.result().terminate()


def _error_of(attempt: asyncio.Task[Any]) -> BaseException | None:
    """Return the error of an attempt, or None. Reading it keeps asyncio from logging it as never retrieved."""
    return asyncio.CancelledError() if attempt.cancelled() else attempt.exception()
