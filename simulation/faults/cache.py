"""Faults of the cache: what one worker cannot tell Redis, and the others do not hear."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import monotonic_ns

from fixtures.backends import Backend
from fixtures.faults.process import ProxyProcess
from simulation.faults.model import FaultRun
from simulation.faults.serving import who_serves
from simulation.judge.observe import open_observatory
from simulation.stack.workers import Worker

END_EVERY_S = (0.1, 0.8)
"""From before a worker listens again to when it believes the cache again."""


@asynccontextmanager
async def _without_redis(way: ProxyProcess) -> AsyncIterator[None]:
    """Keep one worker from Redis: its connections stay open, and nothing comes through."""
    try:
        await way.hole(is_open=True)
        yield
    finally:
        await way.hole(is_open=False)


async def end_listeners(
    run: FaultRun, backend: Backend, *, ways: Sequence[ProxyProcess], workers: Sequence[Worker], random: Random
) -> None:
    """End the connections on which workers hear, now and then, while one worker has no Redis."""
    cut_off = await _cut_off(run, workers)
    until_ns = monotonic_ns() + run.planned.lasts_ms * 1_000_000
    async with open_observatory(backend.database_url) as observatory, _without_redis(ways[cut_off]):
        while monotonic_ns() < until_ns:
            run.seen += await observatory.end_listeners()
            await asyncio.sleep(random.uniform(*END_EVERY_S))
    run.detail = f"{run.seen} connections, {workers[cut_off].name} without Redis"


async def _cut_off(run: FaultRun, workers: Sequence[Worker]) -> int:
    """Return the number of the worker to keep from Redis: most harm is done by who tells Redis of what happens."""
    return await who_serves(workers) if run.planned.worker is None else run.planned.worker
