"""The way to Redis: one pool, one time-out, one breaker. A failure is an answer ("no"), never an exception."""

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

# Requests in flight share these; a connection is busy for a fraction of a millisecond.
CONNECTIONS_MAX = 32


class RedisUnavailable(Exception):
    """Redis did not answer, or is not asked at present. The caller goes on without it."""


class CacheServer:
    """Runs the cache's functions in Redis, in the epoch that is believed.

    `timeout_ms` bounds every call. Raises `RedisUnavailable`, quickly while the breaker is open.
    """

    def __init__(self, url: str, *, timeout_ms: int, trust: Trust, breaker: Breaker | None = None) -> None:
        timeout_s = timeout_ms / 1000
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # A cache that has to be asked twice is slower than the database.
            retry=Retry(NoBackoff(), 0),
        )
        self.client: Redis = Redis(connection_pool=pool)
        self.breaker = breaker or Breaker()
        self._trust = trust

    async def run(self, function: str, keys: list[str], arguments: list[Any]) -> Any:
        """Run a function by the name of its file. What it says counts only if it is still believed afterwards."""
        epoch = self._trust.current()
        if epoch is None:
            raise RedisUnavailable("Redis is not to be believed at present")
        prefix = epoch.prefix
        call = self.client.fcall(epoch.functions[function], len(keys), *[prefix + key for key in keys], *arguments)
        reply = await self._ask(call)
        if reply[0] != b"whole":
            logger.warning("cache_epoch_lost", epoch=epoch.number)
            self._trust.lose(epoch)
        if not self._trust.holds(epoch):
            raise RedisUnavailable("Redis is not to be believed any more")
        return reply[1] if len(reply) > 1 else None

    async def open(self, epoch: Epoch, before: Epoch) -> bool:
        """Begin an epoch on this server, and end the one before; False where it was begun already."""
        try:
            await self.client.function_load(epoch.library)
            opened = await self.client.fcall(f"open_{epoch.name}", 1, before.mark, str(randbelow(2**31)))
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error
        return bool(opened)

    async def forget(self, epoch: Epoch) -> None:
        """Delete an old epoch's functions; its keys end by themselves."""
        try:
            await self.client.function_delete(f"bank_{epoch.name}")
        except ResponseError:
            return  # this server never had them
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error

    async def ping(self) -> None:
        """Ask whether Redis answers, past the breaker."""
        try:
            await self.client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error
        self._answered()

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose()
        await self.client.connection_pool.disconnect()

    async def _ask(self, call: Any) -> Any:
        if not self.breaker.allows():
            call.close()
            raise RedisUnavailable("the breaker is open")
        before = cancellations()
        try:
            answer = await call
            raise_if_cancelled(before)
        except (RedisError, OSError, TimeoutError) as error:
            raise_if_cancelled(before)
            if isinstance(error, ResponseError) and "unction not found" in str(error):
                # Another process than the one in which the epoch began, or its functions were flushed.
                return (b"lost",)
            self.breaker.failed()
            metrics.CACHE_BREAKER_OPEN.set(self.breaker.is_open)
            logger.warning("redis_unavailable", error=error, breaker_open=self.breaker.is_open)
            raise RedisUnavailable(str(error)) from error
        self._answered()
        return answer

    def _answered(self) -> None:
        if self.breaker.is_open:
            logger.info("redis_available")
        self.breaker.succeeded()
        metrics.CACHE_BREAKER_OPEN.set(0)
