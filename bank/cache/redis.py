"""The way to Redis: one pool, one time-out, one breaker. A failure is an answer ("no"), never an exception."""

from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bank.cache.breaker import Breaker
from bank.cancelling import cancellations, raise_if_cancelled
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

# Requests in flight share these; a connection is busy for a fraction of a millisecond.
CONNECTIONS_MAX = 32

_SCRIPTS = Path(__file__).parent


class RedisUnavailable(Exception):
    """Redis did not answer, or is not asked at present. The caller goes on without it."""


class CacheServer:
    """Runs the cache's scripts and commands against Redis.

    `timeout_ms` bounds every call. Raises `RedisUnavailable`, quickly while the breaker is open.
    """

    def __init__(self, url: str, *, timeout_ms: int, breaker: Breaker | None = None) -> None:
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
        self._scripts = {path.stem: self.client.register_script(path.read_bytes()) for path in _SCRIPTS.glob("*.lua")}

    async def run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        """Run a script by the name of its file."""
        return await self._ask(self._scripts[script](keys=keys, args=arguments))

    async def get(self, key: str) -> bytes | None:
        """Return a string, or None."""
        value: bytes | None = await self._ask(self.client.get(key))
        return value

    async def get_field(self, key: str, field: str) -> bytes | None:
        """Return a field of a hash, or None."""
        value: bytes | None = await self._ask(self.client.hget(key, field))
        return value

    async def ping(self) -> None:
        """Ask whether Redis answers, past the breaker."""
        try:
            await self.client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(str(error)) from error
        self.breaker.succeeded()

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
            self.breaker.failed()
            metrics.CACHE_BREAKER_OPEN.set(self.breaker.is_open)
            logger.warning("redis_unavailable", error=repr(error), breaker_open=self.breaker.is_open)
            raise RedisUnavailable(str(error)) from error
        if self.breaker.is_open:
            logger.info("redis_available")
        self.breaker.succeeded()
        metrics.CACHE_BREAKER_OPEN.set(0)
        return answer
