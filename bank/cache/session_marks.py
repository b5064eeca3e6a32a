"""The state of sessions without a read of the database: signed marks in Redis, and notifications of closed sessions.

Redis can lose a write, refuse it, return with an older state, or be written to by others. So a mark is signed and has
the time at which the database was read. A worker trusts a mark for a minute, and only if it has received every
notification since that time. A notification that a session is closed overrides every mark (decision 0020).
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from uuid import UUID

from bank.cache.values import SESSION_TTL_MS, CacheTag, ValueCache
from bank.clock import Clock

# The same time as Redis keeps a mark.
MARK_LIFE_S = SESSION_TTL_MS / 1000
# The clocks of workers and databases differ by less.
CLOCK_SKEW_S = 60.0
# After this time, every mark from before the closure has expired, by any of the clocks.
CLOSED_KEPT_S = MARK_LIFE_S + CLOCK_SKEW_S
# 20 MB: enough for eight hundred logouts a second for two minutes. Beyond it, the worker asks the database instead.
CLOSED_MAX = 100_000

_KEY = "session:"
_OPEN, _CLOSED = "open", "closed"


def session_tags(session_ids: Iterable[UUID]) -> list[CacheTag]:
    """Return the tags that notify other workers of closed sessions."""
    return [CacheTag(f"{_KEY}{session_id}", 0, int(CLOSED_KEPT_S)) for session_id in session_ids]


class SessionMarks:
    """The known states of sessions. It writes marks to Redis and broadcasts closed sessions.

    Until `set_listening_since` is called, no mark is trusted.
    """

    def __init__(
        self, values: ValueCache, secret: str, clock: Clock, broadcast: Callable[[Sequence[CacheTag]], Awaitable[None]]
    ) -> None:
        self._values = values
        # A key of its own, so that nothing else that is signed with the secret is valid as a mark.
        self._key = hmac.digest(secret.encode(), b"session marks", hashlib.sha256)
        self._clock = clock
        self._broadcast = broadcast
        self._closed: OrderedDict[UUID, float] = OrderedDict()
        self._trusted_from_s = inf

    def set_listening_since(self, since: datetime) -> None:
        """Set the time, by the database's clock, from which on this worker receives every notification.

        While it does not receive them, it gets no marks either, because it does not trust Redis (decision 0019).
        """
        self._trusted_from_s = since.timestamp()

    def receive(self, tags: Sequence[CacheTag]) -> list[CacheTag]:
        """Store the closed sessions among the tags of a notification; return the other tags."""
        self._add_closed(UUID(tag.key.removeprefix(_KEY)) for tag in tags if tag.key.startswith(_KEY))
        return [tag for tag in tags if not tag.key.startswith(_KEY)]

    def is_open(self, session_id: UUID, mark: str | None) -> bool | None:
        """Return whether a session is open, or None if only the database can decide. `mark` is its mark in Redis."""
        if session_id in self._closed:
            return False
        parts = mark.split(" ") if mark else []
        if len(parts) != 3 or not hmac.compare_digest(self._mark(session_id, parts[0], parts[1]), mark or ""):
            return None
        if parts[0] == _CLOSED:
            return False
        issued_s = int(parts[1]) / 1_000_000
        is_fresh = issued_s >= self._trusted_from_s and issued_s + MARK_LIFE_S > self._clock.now().timestamp()
        return True if is_fresh else None

    async def mark_open(self, session_id: UUID, asked_at: datetime) -> None:
        """Write to Redis that a session was open in the database at `asked_at`."""
        await self._values.mark_session(session_id, self._mark(session_id, _OPEN, _microseconds(asked_at)))

    async def close(self, session_ids: Sequence[UUID]) -> None:
        """Store sessions that were closed in the database as closed: here, in Redis, and in every other worker."""
        self._add_closed(session_ids)
        issued = _microseconds(self._clock.now())
        for session_id in session_ids:
            await self._values.mark_session(session_id, self._mark(session_id, _CLOSED, issued))
        # Even if Redis has acknowledged the marks: a replica that is promoted may not have them.
        await self._broadcast(session_tags(session_ids))

    def _add_closed(self, session_ids: Iterable[UUID]) -> None:
        now_s = time.monotonic()
        for session_id in session_ids:
            self._closed[session_id] = now_s + CLOSED_KEPT_S
            self._closed.move_to_end(session_id)
        while self._closed and next(iter(self._closed.values())) <= now_s:
            self._closed.popitem(last=False)
        while len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)
            # The dropped session may have older marks, so none of them is trusted any more, by any of the clocks.
            soon = self._clock.now() + timedelta(seconds=CLOCK_SKEW_S)
            self._trusted_from_s = max(self._trusted_from_s, soon.timestamp())

    def _mark(self, session_id: UUID, state: str, issued: str) -> str:
        signature = hmac.digest(self._key, f"{session_id} {state} {issued}".encode(), hashlib.sha256).hex()
        return f"{state} {issued} {signature}"


def _microseconds(moment: datetime) -> str:
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
