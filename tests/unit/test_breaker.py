"""The breaker: if Redis does not answer, it gets no requests for a while, and gets requests again soon."""

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis

from bank.cache.breaker import FAILURES_TO_OPEN, OPEN_S, Breaker
from bank.cache.redis import CacheServer, RedisUnavailable
from bank.cache.trust import FixedTrust


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_the_breaker_opens_after_a_number_of_consecutive_failures() -> None:
    breaker = Breaker(Clock())
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
        assert breaker.allows()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()


def test_an_open_breaker_permits_one_call_in_each_interval() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed()
    clock.s = OPEN_S
    assert [breaker.allows(), breaker.allows(), breaker.allows()] == [True, False, False]
    breaker.failed()
    assert not breaker.allows()
    clock.s = 2 * OPEN_S
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows(), breaker.allows()] == [True, True]


async def test_an_open_breaker_sends_no_commands_to_redis() -> None:
    clock, away = Clock(), FakeServer()
    cache = CacheServer("redis://127.0.0.1:1/0", timeout_ms=50, trust=FixedTrust(), breaker=Breaker(clock))
    cache.client = FakeRedis(server=away)
    await cache.client.set("key", "value")
    away.connected = False
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(RedisUnavailable):
            await cache._call(cache.client.get("key"))
    away.connected = True
    with pytest.raises(RedisUnavailable, match="the breaker is open"):
        await cache._call(cache.client.get("key"))
    clock.s = OPEN_S
    assert await cache._call(cache.client.get("key")) == b"value"
    assert not cache.breaker.is_open
    await cache.close()
