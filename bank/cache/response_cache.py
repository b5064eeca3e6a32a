"""The response cache: whole responses, valid while the versions of all their tags are current (R11).

A look-up also reads everything else that a request needs from Redis, in one round trip: the mark of its session, and
the state of its rate limits.

For a list of fifty items, the GraphQL engine takes more time than the database (measured). So cached rows could not
halve the time of a response, but cached responses do.
"""

import hashlib
from collections.abc import Sequence
from secrets import token_hex
from typing import NamedTuple
from uuid import UUID

from bank.cache.redis import CacheServer, RedisUnavailable
from bank.cache.values import CacheTag

# The time to live (S2) of a history page, which is the largest part of a response.
RESPONSE_TTL_S = 10 * 60
# Longer than any read takes. A reader that crashes delays the next fill by this time at most.
LEASE_MS = 3_000
# A larger response would evict a hundred small ones from memory.
RESPONSE_BYTES_MAX = 64 * 1024


class CacheLookup(NamedTuple):
    """The result of a look-up: the session's mark, and the response on a hit, else a lease to fill the cache.

    `result` is hit, stale, miss, bypass, limited if a rate limit refuses the request, or away if Redis is unavailable.
    `quota` is the result of `use_quota` in `library.lua`, or None if Redis is unavailable.
    """

    session_mark: str | None
    result: str
    body: bytes | None = None
    lease: str | None = None
    quota: bytes | None = None


REDIS_UNAVAILABLE = CacheLookup(session_mark=None, result="away")


def response_key(user_id: UUID, digest: str, operation: str | None, variables: bytes) -> str:
    """Return the cache key of the response to this document with these variables, for this user."""
    content = hashlib.sha256(b"\0".join((digest.encode(), (operation or "").encode(), variables))).hexdigest()
    return f"answer:{user_id}:{content[:32]}"


class ResponseCache:
    """Look-up and storage of responses."""

    def __init__(self, server: CacheServer) -> None:
        self._server = server

    async def look_up(self, key: str, session_id: UUID, quota: str = "") -> CacheLookup:
        """Look up a response and the session's mark, and use quota, in one round trip."""
        token = token_hex(8)
        keys = [key, f"lease:{key}", f"session:{session_id}"]
        try:
            mark, used, result, value = await self._server.run("look", keys, [token, LEASE_MS, quota])
        except RedisUnavailable:
            return REDIS_UNAVAILABLE
        session_mark = mark.decode(errors="replace") if mark else None
        if result == b"hit":
            return CacheLookup(session_mark, "hit", body=value, quota=used)
        return CacheLookup(session_mark, result.decode(), lease=token if value == b"1" else None, quota=used)

    async def look_up_session(self, session_id: UUID | None, quota: str) -> CacheLookup:
        """Look up a session's mark, if there is a session, and use quota, in one round trip."""
        try:
            if session_id is not None:
                mark, used = await self._server.run("session", [f"session:{session_id}"], [quota])
            else:
                mark, used = None, await self._server.run("quota", [], [quota]) if quota else b""
        except RedisUnavailable:
            return CacheLookup(session_mark=None, result="bypass")
        return CacheLookup(mark.decode(errors="replace") if mark else None, "bypass", quota=used)

    async def fill(self, key: str, lease: str, body: bytes, tags: Sequence[CacheTag]) -> bool:
        """Store a response and its tags under a lease. Return whether it was stored."""
        if not tags or len(body) > RESPONSE_BYTES_MAX:
            return False
        keys = [key, f"lease:{key}", *(tag.key for tag in tags)]
        arguments = [
            lease,
            body,
            RESPONSE_TTL_S,
            *(part for tag in tags for part in (tag.version, tag.data, tag.ttl_s)),
        ]
        try:
            return bool(await self._server.run("fill", keys, arguments))
        except RedisUnavailable:
            return False
