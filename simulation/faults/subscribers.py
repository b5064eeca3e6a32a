"""The worker that serves the subscribers, and the time for which no worker serves those of a killed worker."""

import asyncio
from collections.abc import Sequence
from time import monotonic

import aiohttp

from simulation.metrics.read import parse_metrics
from simulation.metrics.scrape import TIMEOUT_S, fetch_metrics
from simulation.model.faults import RECOVERY_MAX_S
from simulation.model.metrics import EVENTS_HANDLED
from simulation.stack.database import BankDatabase
from simulation.stack.workers import Worker

COUNT_S = 0.5
"""The time between two reads of the workers' counters, in which every scenario causes some dozens of events."""

POLL_S = 0.02
"""The resolution of the measured takeover: a hundredth of the permitted time."""


async def serving_worker(workers: Sequence[Worker]) -> int:
    """Return the number of the worker that handles the most events at present."""
    if len(workers) == 1:
        return 0
    before = await _handled(workers)
    await asyncio.sleep(COUNT_S)
    after = await _handled(workers)
    return max(range(len(workers)), key=lambda number: (after[number] - before[number], after[number]))


async def _handled(workers: Sequence[Worker]) -> list[float]:
    counts = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        for worker in workers:
            text = await fetch_metrics(session, worker)
            counted = parse_metrics(text).totals.counter_by(EVENTS_HANDLED, "subscriber") if text else {}
            counts.append(sum(counted.values()))
    return counts


async def watch_takeover(database: BankDatabase) -> float:
    """Return for how many seconds after the death of a worker certainly no worker served some subscriber.

    Call it right after the death. Only a living worker renews its leases, so a lease that was renewed after the death
    belongs to a living worker.
    """
    died, unserved_s = monotonic(), 0.0
    left = await database.leases()
    while unserved_s < RECOVERY_MAX_S:
        looked_s = monotonic() - died
        now = await database.leases()
        if all(until is not None and ((old := left.get(name)) is None or until > old) for name, until in now.items()):
            break
        unserved_s = looked_s
        await asyncio.sleep(POLL_S)
    return unserved_s
