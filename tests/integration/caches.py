"""A connection to Redis in an epoch of its own, without workers that agree on an epoch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bank.cache.epoch import Epoch, new_name
from bank.cache.redis import CacheServer
from bank.cache.trust import FixedTrust

NONE_BEFORE = Epoch(0, "none")


@asynccontextmanager
async def open_cache(redis_url: str, *, timeout_ms: int = 500) -> AsyncIterator[CacheServer]:
    """Begin an epoch, and give a connection to it."""
    trust = FixedTrust()
    server = CacheServer(redis_url, timeout_ms=timeout_ms, trust=trust)
    epoch = Epoch(1, new_name())
    assert await server.open(epoch, NONE_BEFORE)
    trust.epoch = epoch
    try:
        yield server
    finally:
        await server.delete_functions(epoch)
        await server.close()
