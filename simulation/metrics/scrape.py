"""The scraper that reads the metrics of the bank's workers, once a second during the drive."""

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
"""The finest interval that a plot of a minute can show. A scrape takes the bank only some milliseconds."""

TIMEOUT_S = 2.0


class Scraper:
    """A collector of the workers' counts, over their restarts, and of the use of the machine.

    `pages` has the last metrics of each worker as text.
    """

    def __init__(self, workers: Sequence[Worker], progress: Progress, machine: Machine) -> None:
        self._workers = workers
        self._progress = progress
        self._machine = machine
        self._accumulator = MetricsAccumulator()
        self._begin = MetricsTotals()
        self._before = MetricsTotals()
        self._lock = asyncio.Lock()
        self.samples: list[MetricSample] = []
        self.seconds: list[MeasuredSecond] = []
        self.pages: dict[str, str] = {}

    async def begin(self) -> None:
        """Set the start of the counts, because the counts before belong to the setup."""
        await self._scrape()
        self._begin = self._accumulator.totals()
        self._before = self.totals()
        await asyncio.to_thread(self._machine.sample)

    def totals(self) -> MetricsTotals:
        """Return the counts since `begin`."""
        return self._accumulator.totals().since(self._begin)

    async def run(self) -> None:
        """Call `run_once` every second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.run_once()

    async def run_once(self) -> None:
        """Read the metrics of the workers and the use of the machine, and record the changes since the last call."""
        async with self._lock:
            await self._scrape()
            now = self.totals()
            # In a thread, because reading the use of every process takes milliseconds and would delay requests.
            second = await asyncio.to_thread(self._machine.sample)
            if second is not None:
                self.samples.append(measure_interval(second.to_s, now, self._before))
                self.seconds.append(MeasuredSecond(second, now.since(self._before)))
            self._before = now
        self._progress.cache(*cache_hits_and_misses(now))

    async def _scrape(self) -> None:
        """Scrape every worker. If one does not answer, its earlier counts stay."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for worker in self._workers:
                text = await fetch_metrics(session, worker)
                if text is not None:
                    # In a thread, because parsing the text takes milliseconds and would delay requests.
                    await asyncio.to_thread(self._accumulator.add_scrape, worker.name, text)
                    self.pages[f"the metrics of {worker.name}"] = text


async def fetch_metrics(session: aiohttp.ClientSession, worker: Worker) -> str | None:
    """Return the metrics of a worker as Prometheus text, or None if it does not answer."""
    try:
        async with session.get(f"{worker.url}/metrics") as response:
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
