"""Cached values with versions: a newer one replaces an older one, never the other way round (R11)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import structlog

from bank.cache.redis import CacheServer, RedisUnavailable

logger = structlog.get_logger(__name__)

# How long a session's mark is kept and believed; after it the database is asked again.
SESSION_TTL_MS = 60_000
# Twenty megabytes, and more accounts than change in minutes; instead of owing more, the cache begins anew.
OWED_MAX = 100_000
# A script of a millisecond, for which everybody else waits.
SETTLED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Tag:
    """What an answer was made from: a thing, at a version. `data` is kept with it, where given."""

    key: str
    version: int
    ttl_s: int
    data: bytes = b""


class ValueCache:
    """Reads and writes single values. Every method works, and says less, while Redis is away.

    What Redis could not be told is owed, and told before this process believes Redis again: it may answer once more
    before the subscriber that catches it up has had its turn. Other processes, whom it may answer all the time, are
    told by `tell_others`, and then owe it, too. `start_over` is called where more would be owed than is kept: nothing
    that Redis has is to be believed from then on.
    """

    def __init__(
        self,
        server: CacheServer,
        tell_others: Callable[[Sequence[Tag]], Awaitable[None]] | None = None,
        start_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._tell_others = tell_others
        self._start_over = start_over
        self._owed: dict[str, Tag] = {}
        self._settling = False

    async def put(self, tags: Sequence[Tag]) -> bool:
        """Write values through, all at once; older than what is there changes nothing. False while Redis is away.

        Raises `OutcomeUnknown` where neither Redis nor the other processes could be told.
        """
        written = await self._put(tags)
        if not written and self._tell_others is not None:
            await self._tell_others(tags)
        return written

    async def disbelieve(self, tags: Sequence[Tag]) -> None:
        """See to it, without Redis, that no process believes anything older than these versions. Raises as `put`."""
        self.owe(tags)
        if self._tell_others is not None:
            await self._tell_others(tags)

    def owe(self, tags: Sequence[Tag]) -> None:
        """Hear of versions that Redis has not heard of."""
        for tag in tags:
            known = self._owed.get(tag.key)
            if known is None or known.version < tag.version:
                # The version is enough to believe nothing older; a value would only take memory.
                self._owed[tag.key] = Tag(tag.key, tag.version, tag.ttl_s)
        if len(self._owed) > OWED_MAX:
            self._owed.clear()
            self._start_over()

    async def _put(self, tags: Sequence[Tag]) -> bool:
        arguments = [part for tag in tags for part in (tag.version, tag.data, tag.ttl_s)]
        try:
            await self._server.run("put", [tag.key for tag in tags], arguments)
        except RedisUnavailable:
            self.owe(tags)
            return False
        except Exception:
            # A bug here must not become an old answer: nothing older than these versions is believed.
            logger.exception("write_through_broken")
            self.owe(tags)
            return False
        return True

    @property
    def owes(self) -> bool:
        """Whether there is something that Redis could not be told."""
        return bool(self._owed)

    async def settle(self) -> bool:
        """Tell Redis what is owed; return whether it knows everything. One caller does it, others need not wait."""
        if self._settling:
            return False
        self._settling = True
        try:
            while self._owed:
                some = list(islice(self._owed.values(), SETTLED_AT_ONCE))
                if not await self._put(some):
                    return False
                for tag in some:
                    if self._owed.get(tag.key) is tag:
                        del self._owed[tag.key]
        finally:
            self._settling = False
        return True

    async def data(self, key: str) -> bytes | None:
        """Return what is kept with a thing's version, or None."""
        if self.owes and not await self.settle():
            return None
        try:
            data: bytes | None = await self._server.run("data", [key], [])
        except RedisUnavailable:
            return None
        return data

    async def session_mark(self, session_id: UUID) -> str | None:
        """Return a session's mark, or None where there is none or Redis is away."""
        try:
            mark = await self._server.run("session", [f"session:{session_id}"], [])
        except RedisUnavailable:
            return None
        return mark.decode(errors="replace") if mark else None

    async def mark_session(self, session_id: UUID, mark: str) -> None:
        """Note a session's mark; one that begins with "closed" is replaced by no other."""
        try:
            await self._server.run("mark", [f"session:{session_id}"], [mark, SESSION_TTL_MS])
        except RedisUnavailable:
            return
