"""Making connections to PostgreSQL, to the end.

Who waits for a connection gives up after a moment; the connection that is being made for them must not be given up with
that. Where connecting takes longer than anybody waits, on a busy machine after a restart, nobody would ever get one.
"""

import asyncio
from collections import deque
from typing import Any

import asyncpg

_PLACE = frozenset({"host", "port", "user", "password", "database"})


class Connecting:
    """Makes connections for a pool. What somebody has stopped waiting for is there for the next who asks.

    There are never more of these than places in the pool: each of them belongs to a place that has no connection.
    """

    def __init__(self) -> None:
        self._left: deque[asyncio.Task[Any]] = deque()

    async def connect(self, where: dict[str, Any], _dsn: str | None = None, **options: Any) -> Any:
        """Return a new connection. Raises what asyncpg raises; its time-out bounds each attempt, whoever waits.

        `where` says to which server; what `databases` and asyncpg's pool read of a URL themselves counts for nothing.
        """
        chosen = {name: value for name, value in options.items() if name not in _PLACE} | where
        making = self._next_left() or asyncio.create_task(asyncpg.connect(**chosen))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            if not making.cancelled():
                making.add_done_callback(_look)
                self._left.append(making)
            raise

    def _next_left(self) -> asyncio.Task[Any] | None:
        """Return the oldest that is still being made, or was made and lives."""
        while self._left:
            making = self._left.popleft()
            if not making.done() or (_look(making) is None and not making.result().is_closed()):
                return making
        return None

    async def close(self) -> None:
        """Give up what nobody waits for."""
        while self._left:
            making = self._left.popleft()
            making.cancel()
            await asyncio.wait({making})
            if _look(making) is None:
                making.result().terminate()


def _look(making: asyncio.Task[Any]) -> BaseException | None:
    """Return how an attempt failed, if it did. To have looked is enough for asyncio not to complain of it."""
    return asyncio.CancelledError() if making.cancelled() else making.exception()
