"""Knowledge of sessions without the database: marks in Redis, and closures that workers tell each other.

Redis can lose a write, refuse it, come back older, or be written to by others. So a mark is signed, names the moment at
which the database said so, and is believed for a minute only by a worker that has heard of every closure since that
moment; a closure that was heard of outweighs every mark.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from uuid import UUID

from bank.cache.values import SESSION_TTL_MS, Tag, ValueCache
from bank.clock import Clock

# As long as Redis keeps the mark.
MARK_LIFE_S = SESSION_TTL_MS / 1000
# The machines of workers and databases differ by less.
CLOCKS_DIFFER_S = 60.0
# From then on no mark of before the closure is believed any more, by whichever clock.
REMEMBERED_S = MARK_LIFE_S + CLOCKS_DIFFER_S
# Twenty megabytes, and eight hundred logouts a second for two minutes. Beyond it the database is asked.
CLOSED_MAX = 100_000

_KEY = "session:"
_OPEN, _CLOSED = "open", "closed"


def closures(session_ids: Iterable[UUID]) -> list[Tag]:
    """Return what other processes are told of closed sessions."""
    return [Tag(f"{_KEY}{session_id}", 0, int(REMEMBERED_S)) for session_id in session_ids]


class SessionMarks:
    """Says which sessions are known to be open or closed, and makes closures known.

    Until `listens` says since when this process hears of closures, no mark is believed.
    """

    def __init__(
        self, values: ValueCache, secret: str, clock: Clock, broadcast: Callable[[Sequence[Tag]], Awaitable[None]]
    ) -> None:
        self._values = values
        # Nothing else that is signed with the secret can be taken for a mark.
        self._key = hmac.digest(secret.encode(), b"session marks", hashlib.sha256)
        self._clock = clock
        self._broadcast = broadcast
        self._closed: OrderedDict[UUID, float] = OrderedDict()
        self._believed_from = inf

    def listens(self, since: datetime) -> None:
        """Note since which moment of the database's clock this process hears of every closure.

        While it does not, it does not get marks either: Redis is not believed at all (decision 0019).
        """
        self._believed_from = since.timestamp()

    def hear(self, tags: Sequence[Tag]) -> list[Tag]:
        """Remember the closures among what another process tells; return the rest."""
        self._remember(UUID(tag.key.removeprefix(_KEY)) for tag in tags if tag.key.startswith(_KEY))
        return [tag for tag in tags if not tag.key.startswith(_KEY)]

    def known(self, session_id: UUID, mark: str | None) -> bool | None:
        """Return whether a session is open, or None where only the database knows. `mark` is what Redis says."""
        if session_id in self._closed:
            return False
        parts = mark.split(" ") if mark else []
        if len(parts) != 3 or not hmac.compare_digest(self._mark(session_id, parts[0], parts[1]), mark or ""):
            return None
        if parts[0] == _CLOSED:
            return False
        issued_s = int(parts[1]) / 1_000_000
        is_fresh = issued_s >= self._believed_from and issued_s + MARK_LIFE_S > self._clock.now().timestamp()
        return True if is_fresh else None

    async def mark_open(self, session_id: UUID, asked_at: datetime) -> None:
        """Note that the database said, when it was asked, that a session is open."""
        await self._values.mark_session(session_id, self._mark(session_id, _OPEN, _microseconds(asked_at)))

    async def close(self, session_id: UUID) -> None:
        """Make a closure that the database has known here, in Redis and, before this returns, everywhere."""
        self._remember([session_id])
        await self._values.mark_session(session_id, self._mark(session_id, _CLOSED, _microseconds(self._clock.now())))
        # Also where Redis has acknowledged it: a replica that is promoted may not have it.
        await self._broadcast(closures([session_id]))

    def _remember(self, session_ids: Iterable[UUID]) -> None:
        now_s = time.monotonic()
        for session_id in session_ids:
            self._closed[session_id] = now_s + REMEMBERED_S
            self._closed.move_to_end(session_id)
        while self._closed and next(iter(self._closed.values())) <= now_s:
            self._closed.popitem(last=False)
        while len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)
            soon = self._clock.now() + timedelta(seconds=CLOCKS_DIFFER_S)
            self._believed_from = max(self._believed_from, soon.timestamp())

    def _mark(self, session_id: UUID, state: str, issued: str) -> str:
        signature = hmac.digest(self._key, f"{session_id} {state} {issued}".encode(), hashlib.sha256).hex()
        return f"{state} {issued} {signature}"


def _microseconds(moment: datetime) -> str:
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
