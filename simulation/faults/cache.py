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
from simulation.faults.serving import who_serves
from simulation.model.faults import FaultRun
from simulation.stack.database import open_database
from simulation.stack.workers import Worker

REDIS_ERRORS = (RedisError,)
"""The exceptions of the Redis client, besides OSError."""

Copy: TypeAlias = Mapping[bytes, tuple[bytes, int]]
"""The value of each key as Redis serializes it, and its expiry in milliseconds since 1970; 0 means no expiry."""

OLDER_S = (0.5, 1.5)
"""The age of the copy: enough for answers about changes that the copy lacks, and for the start of a new epoch."""

END_EVERY_S = (0.1, 0.8)
"""The pause between two ends of connections: from before a worker listens again until it trusts the cache again."""


@asynccontextmanager
async def _without_redis(way: ProxyProcess) -> AsyncIterator[None]:
    """Separate one worker from Redis: its connections stay open, but carry no data."""
    try:
        await way.hole(is_open=True)
        yield
    finally:
        await way.hole(is_open=False)


async def end_listeners(
    run: FaultRun, backend: Backend, *, ways: Sequence[ProxyProcess], workers: Sequence[Worker], random: Random
) -> None:
    """End the listening connections of the workers, repeatedly, while one worker has no Redis."""
    cut_off = await _cut_off(run, workers)
    until_ns = monotonic_ns() + run.planned.lasts_ms * 1_000_000
    async with open_database(backend.database_url) as database, _without_redis(ways[cut_off]):
        while monotonic_ns() < until_ns:
            run.seen += await database.end_listeners()
            await asyncio.sleep(random.uniform(*END_EVERY_S))
    run.detail = f"{run.seen} connections, {workers[cut_off].name} without Redis"


async def keep_from_redis(run: FaultRun, *, ways: Sequence[ProxyProcess], workers: Sequence[Worker]) -> None:
    """Separate one worker from Redis for the duration of the fault."""
    cut_off = await _cut_off(run, workers)
    before = await ways[cut_off].look()
    async with _without_redis(ways[cut_off]):
        await asyncio.sleep(run.planned.lasts_ms / 1000)
    run.seen = (await ways[cut_off].look()).withheld - before.withheld
    run.detail = f"{run.seen} messages withheld from {workers[cut_off].name}"


async def _cut_off(run: FaultRun, workers: Sequence[Worker]) -> int:
    """Return the number of the worker to separate from Redis.

    The default is the worker that serves the subscribers, because it updates the cache, so its loss does most harm.
    """
    return await who_serves(workers) if run.planned.worker is None else run.planned.worker


async def set_redis_back(run: FaultRun, backend: Backend, random: Random) -> None:
    """Copy all keys and restore the copy after a pause, repeatedly."""
    until_ns, times = monotonic_ns() + run.planned.lasts_ms * 1_000_000, 0
    async with Redis.from_url(backend.redis_url) as client:
        while monotonic_ns() < until_ns:
            copy = await copy_keys(client)
            await asyncio.sleep(random.uniform(*OLDER_S))
            await put_back(client, copy)
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


async def put_back(client: Redis, copy: Copy) -> None:
    """Replace the content of Redis with a copy."""
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.flushdb()
        for name, (value, until_ms) in copy.items():
            pipeline.restore(name, until_ms, value, absttl=until_ms > 0)
        await pipeline.execute()
