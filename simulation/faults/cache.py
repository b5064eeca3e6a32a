"""Faults of the cache: a worker without Redis, workers without notifications, and a Redis with an older state."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import monotonic_ns
from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fixtures.backends import Backend
from fixtures.faults.process import ProxyProcess
from simulation.faults.subscribers import serving_worker
from simulation.model.faults import FaultRun
from simulation.stack.database import open_database
from simulation.stack.workers import Worker

REDIS_ERRORS = (RedisError,)
"""The exceptions of the Redis client, besides OSError."""

Copy: TypeAlias = Mapping[bytes, tuple[bytes, int]]
"""The value of each key as Redis serializes it, and its expiry in milliseconds since 1970; 0 means no expiry."""

COPY_AGE_S = (0.5, 1.5)
"""The age of the copy: enough for answers about changes that the copy lacks, and for the start of a new epoch."""

DISCONNECT_PAUSE_S = (0.1, 0.8)
"""The pause between two ends of connections: from before a worker listens again until it trusts the cache again."""


@asynccontextmanager
async def _redis_blocked(proxy: ProxyProcess) -> AsyncIterator[None]:
    """Separate one worker from Redis: its connections stay open, but carry no data."""
    try:
        await proxy.set_blocked(is_blocked=True)
        yield
    finally:
        await proxy.set_blocked(is_blocked=False)


async def disconnect_listeners(
    run: FaultRun, backend: Backend, *, proxies: Sequence[ProxyProcess], workers: Sequence[Worker], random: Random
) -> None:
    """End the listening connections of the workers, repeatedly, while one worker has no Redis."""
    blocked = await _worker_to_block(run, workers)
    until_ns = monotonic_ns() + run.planned.lasts_ms * 1_000_000
    async with open_database(backend.database_url) as database, _redis_blocked(proxies[blocked]):
        while monotonic_ns() < until_ns:
            run.seen += await database.disconnect_listeners()
            await asyncio.sleep(random.uniform(*DISCONNECT_PAUSE_S))
    run.detail = f"{run.seen} connections, {workers[blocked].name} without Redis"


async def block_redis(run: FaultRun, *, proxies: Sequence[ProxyProcess], workers: Sequence[Worker]) -> None:
    """Separate one worker from Redis for the duration of the fault."""
    blocked = await _worker_to_block(run, workers)
    before = await proxies[blocked].counts()
    async with _redis_blocked(proxies[blocked]):
        await asyncio.sleep(run.planned.lasts_ms / 1000)
    run.seen = (await proxies[blocked].counts()).withheld - before.withheld
    run.detail = f"{run.seen} messages withheld from {workers[blocked].name}"


async def _worker_to_block(run: FaultRun, workers: Sequence[Worker]) -> int:
    """Return the number of the worker to separate from Redis.

    The default is the worker that serves the subscribers, because it updates the cache, so its loss does most harm.
    """
    return await serving_worker(workers) if run.planned.worker is None else run.planned.worker


async def roll_back_redis(run: FaultRun, backend: Backend, random: Random) -> None:
    """Copy all keys and restore the copy after a pause, repeatedly."""
    until_ns, times = monotonic_ns() + run.planned.lasts_ms * 1_000_000, 0
    async with Redis.from_url(backend.redis_url) as client:
        while monotonic_ns() < until_ns:
            copy = await copy_keys(client)
            await asyncio.sleep(random.uniform(*COPY_AGE_S))
            await restore_keys(client, copy)
            run.seen += len(copy)
            times += 1
    run.detail = f"{run.seen} keys in {times} times"


async def copy_keys(client: Redis) -> Copy:
    """Return all keys of Redis, read in one transaction, so the copy is a state that existed."""
    names: list[Any] = await client.keys()
    async with client.pipeline(transaction=True) as pipeline:
        for name in names:
            pipeline.dump(name)
            pipeline.pexpiretime(name)
        answers = await pipeline.execute()
    copied = zip(names, answers[::2], answers[1::2], strict=True)
    return {name: (value, max(0, until_ms)) for name, value, until_ms in copied if value is not None}


async def restore_keys(client: Redis, copy: Copy) -> None:
    """Replace the content of Redis with a copy."""
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.flushdb()
        for name, (value, until_ms) in copy.items():
            pipeline.restore(name, until_ms, value, absttl=until_ms > 0)
        await pipeline.execute()
