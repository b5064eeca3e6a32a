"""A cancellation that a driver suppresses is not lost, because otherwise an endless loop could not be stopped."""

import asyncio
from typing import Any

import pytest

from bank.cache.redis import CacheServer
from bank.cache.trust import FixedTrust


@pytest.fixture
def server() -> CacheServer:
    return CacheServer("redis://127.0.0.1:1/0", timeout_ms=50, trust=FixedTrust())


@pytest.mark.parametrize("outcome", [b"its answer", TimeoutError("it was interrupted")])
async def test_a_cancellation_suppressed_by_a_driver_reaches_the_caller(server: CacheServer, outcome: Any) -> None:
    asked = asyncio.Event()

    async def forget() -> bytes:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if isinstance(outcome, Exception):
                raise outcome from None
        return b"its answer"

    task = asyncio.create_task(server._call(forget()))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_task_may_call_redis_in_its_cleanup(server: CacheServer) -> None:
    begun = asyncio.Event()

    async def answer() -> bytes:
        return b"its answer"

    async def clean_up() -> bytes:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return bytes(await server._call(answer()))
        raise AssertionError("it was not cancelled")

    task = asyncio.create_task(clean_up())
    await begun.wait()
    task.cancel()
    assert await task == b"its answer"
