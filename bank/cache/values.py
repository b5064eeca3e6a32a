"""Cached values with versions: a newer value replaces an older one, never the other way round (R11)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import structlog

from bank.cache.redis import CacheServer, RedisUnavailable

logger = structlog.get_logger(__name__)

# The time for which a session's mark is kept and trusted; after it the database is asked again.
SESSION_TTL_MS = 60_000
# 20 MB, and more accounts than change in some minutes. Beyond this number, a new epoch of the cache begins instead.
DEFERRED_MAX = 100_000
# Writing these blocks Redis for about a millisecond.
FLUSHED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CacheTag:
    """The key and version of a cached value that responses are made from. `data` is the value, or empty."""

    key: str
    version: int
    ttl_s: int
    data: bytes = b""


class ValueCache:
    """Reads and writes of single values. Every method works without Redis too, as if the cache were empty.

    Invalidations that could not be written to Redis are deferred, and flushed before this worker reads from Redis
    again, because Redis may respond again before the cache's subscriber has caught up. Redis may still respond to other
    workers, so `broadcast` sends them the invalidations, and they defer them too. If there are more than
    `DEFERRED_MAX`, `require_new_epoch` is called: from then on no value in Redis is valid.
    """

    def __init__(
        self,
        server: CacheServer,
        broadcast: Callable[[Sequence[CacheTag]], Awaitable[None]] | None = None,
        require_new_epoch: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._broadcast = broadcast
        self._require_new_epoch = require_new_epoch
        self._deferred: dict[str, CacheTag] = {}
        self._flushing = False

    async def put(self, tags: Sequence[CacheTag]) -> bool:
        """Write values through in one step; a value older than the stored one changes nothing.

        Return False if Redis is unavailable. Raises `OutcomeUnknown` if the other workers could not be notified either.
        """
        written = await self._put(tags)
        if not written and self._broadcast is not None:
            await self._broadcast(tags)
        return written

    async def invalidate(self, tags: Sequence[CacheTag]) -> None:
        """Invalidate all older versions in every worker, without Redis. Raises the errors of `put`."""
        self.defer(tags)
        if self._broadcast is not None:
            await self._broadcast(tags)

    def defer(self, tags: Sequence[CacheTag]) -> None:
        """Keep versions that could not be written to Redis, until they are flushed."""
        for tag in tags:
            known = self._deferred.get(tag.key)
            if known is None or known.version < tag.version:
                # The version is enough to invalidate older values; the data would only take memory.
                self._deferred[tag.key] = CacheTag(tag.key, tag.version, tag.ttl_s)
        if len(self._deferred) > DEFERRED_MAX:
            self._deferred.clear()
            self._require_new_epoch()

    async def _put(self, tags: Sequence[CacheTag]) -> bool:
        arguments = [part for tag in tags for part in (tag.version, tag.data, tag.ttl_s)]
        try:
            await self._server.run("put", [tag.key for tag in tags], arguments)
        except RedisUnavailable:
            self.defer(tags)
            return False
        except Exception:
            # After a bug here, no old value may be served, so all older versions are invalidated.
            logger.exception("write_through_failed")
            self.defer(tags)
            return False
        return True

    @property
    def has_deferred(self) -> bool:
        """Return whether there are deferred invalidations."""
        return bool(self._deferred)

    async def flush_deferred(self) -> bool:
        """Write the deferred invalidations to Redis, for one caller at a time. Return whether all were written."""
        if self._flushing:
            return False
        self._flushing = True
        try:
            while self._deferred:
                tags = list(islice(self._deferred.values(), FLUSHED_AT_ONCE))
                if not await self._put(tags):
                    return False
                for tag in tags:
                    if self._deferred.get(tag.key) is tag:
                        del self._deferred[tag.key]
        finally:
            self._flushing = False
        return True

    async def data(self, key: str) -> bytes | None:
        """Return the data of a cached value, or None."""
        if self.has_deferred and not await self.flush_deferred():
            return None
        try:
            data: bytes | None = await self._server.run("data", [key], [])
        except RedisUnavailable:
            return None
        return data

    async def session_mark(self, session_id: UUID) -> str | None:
        """Return a session's mark, or None if there is none or Redis is unavailable."""
        try:
            mark, _ = await self._server.run("session", [f"session:{session_id}"], [""])
        except RedisUnavailable:
            return None
        return mark.decode(errors="replace") if mark else None

    async def mark_session(self, session_id: UUID, mark: str) -> None:
        """Write a session's mark. A mark that begins with "closed" is not replaced by another one."""
        try:
            await self._server.run("mark", [f"session:{session_id}"], [mark, SESSION_TTL_MS])
        except RedisUnavailable:
            return
