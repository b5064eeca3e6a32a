"""The connection to Redis: one pool, one time-out and one breaker. Every failure is a `RedisUnavailable`."""

from secrets import randbelow
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from bank.cache.breaker import Breaker
from bank.cache.epoch import Epoch
from bank.cache.trust import Trust
from bank.cancelling import cancellations, raise_if_cancelled
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

# Concurrent requests share these connections; a call occupies one for a fraction of a millisecond.
CONNECTIONS_MAX = 32


class RedisUnavailable(Exception):
    """Redis did not respond, is blocked by the breaker, or is not trusted. The caller continues without it."""


class CacheServer:
    """The Redis server. It runs the cache's functions in the trusted epoch.

    `timeout_ms` limits every call. Calls raise `RedisUnavailable`, at once while the breaker is open.
    """

    def __init__(self, url: str, *, timeout_ms: int, trust: Trust, breaker: Breaker | None = None) -> None:
        timeout_s = timeout_ms / 1000
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # No retry: with a second call, the cache would be slower than the database.
            retry=Retry(NoBackoff(), 0),
        )
        self.client: Redis = Redis(connection_pool=pool)
        self.breaker = breaker or Breaker()
        self._trust = trust

    async def run(self, function: str, keys: list[str], arguments: list[Any]) -> Any:
        """Run a function, named as its file. The result is valid only if the epoch is still trusted afterwards."""
        epoch = self._trust.current()
        if epoch is None:
            raise RedisUnavailable("Redis is not trusted at present")
        prefix = epoch.prefix
        call = self.client.fcall(epoch.functions[function], len(keys), *[prefix + key for key in keys], *arguments)
        reply = await self._call(call)
        if reply[0] != b"whole":
            logger.warning("cache_epoch_lost", epoch=epoch.number)
            self._trust.lose(epoch)
        if not self._trust.holds(epoch):
            raise RedisUnavailable("Redis is not trusted any more")
        return reply[1] if len(reply) > 1 else None

    async def open(self, epoch: Epoch, previous: Epoch) -> bool:
        """Begin an epoch on this server, and end the previous one. Return False if it has begun already."""
        try:
            await self.client.function_load(epoch.library)
            opened = await self.client.fcall(f"open_{epoch.name}", 1, previous.mark, str(randbelow(2**31)))
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error
        return bool(opened)

    async def delete_functions(self, epoch: Epoch) -> None:
        """Delete the functions of an old epoch. Its keys expire."""
        try:
            await self.client.function_delete(f"bank_{epoch.name}")
        except ResponseError:
            return  # this server does not have them
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error

    async def ping(self) -> None:
        """Check that Redis responds, even if the breaker is open. A response closes the breaker."""
        try:
            await self.client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error
        self._responded()

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose()
        await self.client.connection_pool.disconnect()

    async def _call(self, call: Any) -> Any:
        if not self.breaker.allows():
            call.close()
            raise RedisUnavailable("the breaker is open")
        before = cancellations()
        try:
            reply = await call
            raise_if_cancelled(before)
        except (RedisError, OSError, TimeoutError) as error:
            raise_if_cancelled(before)
            if isinstance(error, ResponseError) and "unction not found" in str(error):
                # The epoch began in another process, or its functions were deleted.
                return (b"lost",)
            self.breaker.failed()
            metrics.CACHE_BREAKER_OPEN.set(self.breaker.is_open)
            logger.warning("redis_unavailable", error=error, breaker_open=self.breaker.is_open)
            raise RedisUnavailable(str(error)) from error
        self._responded()
        return reply

    def _responded(self) -> None:
        if self.breaker.is_open:
            logger.info("redis_available")
        self.breaker.succeeded()
        metrics.CACHE_BREAKER_OPEN.set(0)
