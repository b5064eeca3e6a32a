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
DEFERRED_MAX = 100_000
# A script of a millisecond, for which everybody else waits.
FLUSHED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Tag:
    """A thing at a version that a response was made from. `data` is cached with it, if given."""

    key: str
    version: int
    ttl_s: int
    data: bytes = b""


class ValueCache:
    """Reads and writes single values. Every method works without Redis, and then returns less.

    Invalidations that Redis could not take are deferred, and flushed before this process reads from Redis again: Redis
    may answer before the subscriber that catches it up has run. Other processes, for which Redis may answer all the
    time, get the invalidations from `broadcast`, and defer them too. `start_over` is called if more would be deferred
    than is kept: from then on nothing in Redis is valid.
    """

    def __init__(
        self,
        server: CacheServer,
        broadcast: Callable[[Sequence[Tag]], Awaitable[None]] | None = None,
        start_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._broadcast = broadcast
        self._start_over = start_over
        self._deferred: dict[str, Tag] = {}
        self._flushing = False

    async def put(self, tags: Sequence[Tag]) -> bool:
        """Write values through, all at once; older than what is there changes nothing. False while Redis is away.

        Raises `OutcomeUnknown` if neither Redis nor the other processes could get them.
        """
        written = await self._put(tags)
        if not written and self._broadcast is not None:
            await self._broadcast(tags)
        return written

    async def invalidate(self, tags: Sequence[Tag]) -> None:
        """Invalidate everything older than these versions in every process, without Redis. Raises as `put`."""
        self.defer(tags)
        if self._broadcast is not None:
            await self._broadcast(tags)

    def defer(self, tags: Sequence[Tag]) -> None:
        """Keep versions that Redis does not have yet, until they are flushed."""
        for tag in tags:
            known = self._deferred.get(tag.key)
            if known is None or known.version < tag.version:
                # The version is enough to invalidate older values; a value would only take memory.
                self._deferred[tag.key] = Tag(tag.key, tag.version, tag.ttl_s)
        if len(self._deferred) > DEFERRED_MAX:
            self._deferred.clear()
            self._start_over()

    async def _put(self, tags: Sequence[Tag]) -> bool:
        arguments = [part for tag in tags for part in (tag.version, tag.data, tag.ttl_s)]
        try:
            await self._server.run("put", [tag.key for tag in tags], arguments)
        except RedisUnavailable:
            self.defer(tags)
            return False
        except Exception:
            # A bug here must not show an old value: everything older than these versions is invalid.
            logger.exception("write_through_broken")
            self.defer(tags)
            return False
        return True

    @property
    def has_deferred(self) -> bool:
        """Return whether there are deferred invalidations."""
        return bool(self._deferred)

    async def flush_deferred(self) -> bool:
        """Write the deferred invalidations to Redis; return whether it has all. Only one caller at a time does it."""
        if self._flushing:
            return False
        self._flushing = True
        try:
            while self._deferred:
                some = list(islice(self._deferred.values(), FLUSHED_AT_ONCE))
                if not await self._put(some):
                    return False
                for tag in some:
                    if self._deferred.get(tag.key) is tag:
                        del self._deferred[tag.key]
        finally:
            self._flushing = False
        return True

    async def data(self, key: str) -> bytes | None:
        """Return what is kept with a thing's version, or None."""
        if self.has_deferred and not await self.flush_deferred():
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
