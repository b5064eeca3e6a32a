"""The response cache: whole answers, valid while everything they were made from is unchanged (R11).

A list of fifty costs the GraphQL engine more than the database (measured), so that caching rows could not halve its
time; caching the answer does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from uuid import UUID

from bank.cache.redis import CacheServer, RedisUnavailable
from bank.cache.values import Tag

# The time to live (S2) of a history page, the largest thing that an answer holds.
ANSWER_TTL_S = 10 * 60
# Longer than any read takes; a reader that dies delays the next fill by no more.
LEASE_MS = 3_000
# A larger answer would push a hundred small ones out of memory.
ANSWER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class CacheLookup:
    """The result of a look-up: the session's mark, the response on a hit, otherwise a lease to fill it."""

    session_mark: str | None
    result: str
    body: bytes | None = None
    lease: str | None = None


AWAY = CacheLookup(session_mark=None, result="away")


def response_key(user_id: UUID, digest: str, operation: str | None, variables: bytes) -> str:
    """Return the key of the answer to one document with these variables, for this user."""
    content = hashlib.sha256(b"\0".join((digest.encode(), (operation or "").encode(), variables))).hexdigest()
    return f"answer:{user_id}:{content[:32]}"


class ResponseCache:
    """Looks for answers, and keeps them."""

    def __init__(self, server: CacheServer) -> None:
        self._server = server

    async def look_up(self, key: str, session_id: UUID) -> CacheLookup:
        """Look for an answer and for the session's mark, in one round trip."""
        token = token_hex(8)
        keys = [key, f"lease:{key}", f"session:{session_id}"]
        try:
            mark, result, value = await self._server.run("look", keys, [token, LEASE_MS])
        except RedisUnavailable:
            return AWAY
        session_mark = mark.decode(errors="replace") if mark else None
        if result == b"hit":
            return CacheLookup(session_mark, "hit", body=value)
        return CacheLookup(session_mark, result.decode(), lease=token if value == b"1" else None)

    async def fill(self, key: str, lease: str, body: bytes, tags: Sequence[Tag]) -> bool:
        """Keep an answer and what it was made from; False where it was not kept."""
        if not tags or len(body) > ANSWER_BYTES_MAX:
            return False
        keys = [key, f"lease:{key}", *(tag.key for tag in tags)]
        arguments = [lease, body, ANSWER_TTL_S, *(part for tag in tags for part in (tag.version, tag.data, tag.ttl_s))]
        try:
            return bool(await self._server.run("fill", keys, arguments))
        except RedisUnavailable:
            return False
