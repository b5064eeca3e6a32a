"""Asking the bank's workers for their metrics, once a second while people bank."""

import asyncio
from collections.abc import Sequence

import aiohttp

from simulation.machine.watch import Machine
from simulation.metrics.read import MetricsAccumulator
from simulation.metrics.seconds import MeasuredSecond, measure_interval
from simulation.model.metrics import MetricsTotals, cache_hits_and_misses
from simulation.model.progress import Progress
from simulation.model.result import MetricSample
from simulation.stack.workers import Worker

EVERY_S = 1.0
"""As fine as a plot of a minute can show, and cheap: a scrape takes the bank some milliseconds."""

TIMEOUT_S = 2.0


class Scraper:
    """Collects what the workers count, over their restarts, and what the machine does meanwhile."""

    def __init__(self, workers: Sequence[Worker], progress: Progress, machine: Machine) -> None:
        self._workers = workers
        self._progress = progress
        self._machine = machine
        self._accumulator = MetricsAccumulator()
        self._begin = MetricsTotals()
        self._before = MetricsTotals()
        self._looking = asyncio.Lock()
        self.samples: list[MetricSample] = []
        self.seconds: list[MeasuredSecond] = []

    async def begin(self) -> None:
        """Count from here on: what was counted before is the setup's."""
        await self._scrape()
        self._begin = self._accumulator.totals()
        self._before = self.totals()
        await asyncio.to_thread(self._machine.look)

    def totals(self) -> MetricsTotals:
        """Return what has been counted since `begin`."""
        return self._accumulator.totals().since(self._begin)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.run_once()

    async def run_once(self) -> None:
        """Look at the workers and the machine, and note what has happened since the last look."""
        async with self._looking:
            await self._scrape()
            now = self.totals()
            # Reading what every process has used takes milliseconds, in which no request could be sent on time.
            second = await asyncio.to_thread(self._machine.look)
            if second is not None:
                self.samples.append(measure_interval(second.to_s, now, self._before))
                self.seconds.append(MeasuredSecond(second, now.since(self._before)))
            self._before = now
        self._progress.cache(*cache_hits_and_misses(now))

    async def _scrape(self) -> None:
        """Scrape every worker; one that does not answer is left out, its earlier counts stay."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for worker in self._workers:
                text = await fetch_metrics(session, worker)
                if text is not None:
                    # Reading the text takes milliseconds, in which no request could be sent on time.
                    await asyncio.to_thread(self._accumulator.take, worker.name, text)


async def fetch_metrics(session: aiohttp.ClientSession, worker: Worker) -> str | None:
    """Return what a worker has counted, as text, or None where it does not answer."""
    try:
        async with session.get(f"{worker.url}/metrics") as response:
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
