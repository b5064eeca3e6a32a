"""Injection of the planned faults during the drive, and repair of those that only the simulation can repair."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import monotonic_ns

from fixtures.backends import Backend, BackendUnavailable
from simulation.client.history import History
from simulation.faults.blocking import run_to_completion
from simulation.faults.cache import REDIS_ERRORS, block_redis, disconnect_listeners, roll_back_redis
from simulation.faults.idle import kill_when_idle
from simulation.faults.network import Network
from simulation.faults.recovery import recovered_at_ns
from simulation.faults.stop_worker import stop_in_batch
from simulation.faults.subscribers import serving_worker, watch_takeover
from simulation.model.faults import FAULTS, RECOVERY_MAX_S, FaultName, FaultRun, PlannedFault
from simulation.model.progress import Progress
from simulation.stack.commands import CouldNotRunError
from simulation.stack.database import DATABASE_ERRORS, open_database
from simulation.stack.workers import Workers

POLL_S = 0.1
"""The interval of the recovery check; the measured time of the recovery is exact, because the history contains it."""

CUT_EVERY_S = 0.25
CUT_DELAY_S = 0.02
"""The delay of messages while connections are cut, as in a network across a country, so that messages are in
flight when a connection is cut."""

EXHAUST_MAX_NS = 4_700_000_000
"""Shorter than the five seconds after which a statement that waits for a lock returns its connection."""


class Injector:
    """An injector that causes the faults of a plan, one after the other, each after the recovery from the previous."""

    def __init__(
        self,
        faults: Sequence[PlannedFault],
        *,
        seed: int,
        backend: Backend,
        network: Network,
        workers: Workers,
        history: History,
        progress: Progress,
    ) -> None:
        self.runs = [FaultRun(fault) for fault in faults]
        self._random = Random(f"{seed} injection")
        self._backend = backend
        self._network = network
        self._proxy = network.database
        self._workers = workers
        self._history = history
        self._progress = progress
        self._over = asyncio.Event()

    @asynccontextmanager
    async def run_faults(self) -> AsyncIterator[None]:
        """Inject faults as long as the block lasts. A fault that is in progress at its end is finished."""
        task = asyncio.create_task(self._run(monotonic_ns()))
        try:
            yield
            self._over.set()
            await task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def is_recovered(self) -> bool:
        """Return whether the service has recovered from every fault, or the permitted time is over."""
        return all(self._is_recovered(run) for run in self.runs)

    async def inject_when_idle(self, bursts: int, post: Callable[[int], Coroutine[None, None, None]]) -> None:
        """Inject the faults of an idle bank, after the drive. `post` sends one burst of last postings."""
        for run in self.runs:
            if FAULTS[run.planned.name].when_idle:
                self._progress.step(FAULTS[run.planned.name].title)
                await kill_when_idle(run, self._backend, bursts, post)

    def record_drain(self, *, drained: bool) -> None:
        """Note whether every subscriber has handled every event in time."""
        for run in self.runs:
            if FAULTS[run.planned.name].when_idle and run.ended_ns and drained:
                run.drained_s = (monotonic_ns() - run.ended_ns) / 1e9

    def _is_recovered(self, run: FaultRun) -> bool:
        if not run.ended_ns or monotonic_ns() > run.ended_ns + RECOVERY_MAX_S * 1e9:
            return True
        workers = len(self._workers.all)
        return recovered_at_ns(self._history.attempts, since_ns=run.ended_ns, workers=workers) is not None

    async def _run(self, drive_began_ns: int) -> None:
        for number, run in enumerate(self.runs, start=1):
            if FAULTS[run.planned.name].when_idle:
                continue
            await self._wait((drive_began_ns - monotonic_ns()) / 1e9 + run.planned.at_ms / 1000)
            if self._over.is_set():
                return
            self._progress.detail(f"fault {number} of {len(self.runs)}: {FAULTS[run.planned.name].title}")
            run.began_ns = monotonic_ns()
            try:
                await self._inject(run)
            except (*DATABASE_ERRORS, *REDIS_ERRORS) as error:
                run.detail = f"could not be injected: {type(error).__name__}"
            run.ended_ns = run.ended_ns or monotonic_ns()
            while not self._is_recovered(run) and not self._over.is_set():
                await self._wait(POLL_S)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._over.wait()

    async def _inject(self, run: FaultRun) -> None:
        match run.planned.name:
            case FaultName.WORKER_KILL:
                await self._kill_worker(run)
            case FaultName.DATABASE_KILL:
                await self._kill_database(run)
            case FaultName.CONNECTIONS_CUT:
                await self._cut_connections(run)
            case FaultName.COMMIT_REPLY_CUT:
                await self._cut_commit_replies(run)
            case FaultName.POOL_EXHAUSTED:
                await self._exhaust_pools(run)
            case FaultName.DATABASE_SLOW:
                await self._slow_network(run)
            case FaultName.DATABASE_UNRESPONSIVE:
                await self._block_network(run)
            case FaultName.LISTENERS_DISCONNECTED:
                await disconnect_listeners(
                    run, self._backend, proxies=self._network.redis, workers=self._workers.all, random=self._random
                )
            case FaultName.WORKER_STOPPED:
                await stop_in_batch(run, self._backend, self._workers.all, self._random)
            case FaultName.REDIS_UNREACHABLE:
                await block_redis(run, proxies=self._network.redis, workers=self._workers.all)
            case FaultName.REDIS_ROLLED_BACK:
                await roll_back_redis(run, self._backend, self._random)

    async def _kill_worker(self, run: FaultRun) -> None:
        number = run.planned.worker
        number = await serving_worker(self._workers.all) if number is None else number
        worker = self._workers.all[number]
        run.detail = worker.name
        process = worker.process
        if process is None or process.returncode is not None:
            run.detail += " had already ended"
            return
        async with open_database(self._backend.database_url) as database:
            run.began_ns = monotonic_ns()
            process.kill()
            await process.wait()
            run.ended_ns = monotonic_ns()
            if len(self._workers.all) > 1:
                run.takeover_s = await watch_takeover(database)
        # The supervisor restarts the worker at once; the check finds a worker that was not restarted.
        while worker.process is process and not self._is_recovered(run):  # noqa: ASYNC110 - a restart sets no event
            await asyncio.sleep(POLL_S)
        run.seen = int(worker.process is not process)

    async def _kill_database(self, run: FaultRun) -> None:
        postgres = self._backend.postgres
        assert postgres is not None
        try:
            await run_to_completion(postgres.kill)
            killed = not postgres.is_running()
            await asyncio.sleep(run.planned.lasts_ms / 1000)
        finally:
            # The fault ends before the start, because the recovery of PostgreSQL is part of the measured recovery.
            run.ended_ns = monotonic_ns()
            try:
                await run_to_completion(postgres.start)
            except BackendUnavailable as error:
                raise CouldNotRunError(str(error)) from error
        recovered_s = (monotonic_ns() - run.ended_ns) / 1e9
        run.seen = int(killed)
        run.detail = f"dead for {run.planned.lasts_ms / 1000:.1f} s, recovered in {recovered_s:.1f} s"

    async def _cut_connections(self, run: FaultRun) -> None:
        percent = run.planned.percent or 100
        until_ns = monotonic_ns() + run.planned.lasts_ms * 1_000_000
        try:
            await self._proxy.delay(CUT_DELAY_S)
            while monotonic_ns() < until_ns:
                run.seen += await self._proxy.cut(percent / 100, self._random.randrange(2**32))
                await asyncio.sleep(CUT_EVERY_S)
        finally:
            await self._proxy.delay(0.0)
        run.detail = f"{run.seen} connections, {percent} % of all at a time"

    async def _cut_commit_replies(self, run: FaultRun) -> None:
        before = await self._proxy.counts()
        until_ns = monotonic_ns() + run.planned.lasts_ms * 1_000_000
        try:
            await self._proxy.cut_commit_replies(run.planned.replies or 1)
            while monotonic_ns() < until_ns and (await self._proxy.counts()).commit_replies_to_cut:  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(POLL_S / 5)
        finally:
            await self._proxy.cut_commit_replies(0)
        run.seen = (await self._proxy.counts()).commit_replies_cut - before.commit_replies_cut
        run.detail = f"{run.seen} replies"

    async def _exhaust_pools(self, run: FaultRun) -> None:
        async with open_database(self._backend.database_url) as database, database.accounts_locked():
            run.began_ns = monotonic_ns()
            await asyncio.sleep(run.planned.lasts_ms / 1000)
            # With few people, it takes longer until requests use every connection.
            while not self._overloaded(run) and monotonic_ns() < run.began_ns + EXHAUST_MAX_NS:  # noqa: ASYNC110 - as above
                await asyncio.sleep(POLL_S)
            run.ended_ns = monotonic_ns()
        run.seen = self._overloaded(run)
        lasted_s = (run.ended_ns - run.began_ns) / 1e9
        run.detail = f"{run.seen} requests found no connection in {lasted_s:.1f} s"

    def _overloaded(self, run: FaultRun) -> int:
        return sum(a.code == "OVERLOADED" and a.ended_ns >= run.began_ns for a in self._history.attempts)

    async def _slow_network(self, run: FaultRun) -> None:
        delay_ms, before = run.planned.delay_ms or 0, await self._proxy.counts()
        try:
            await self._proxy.delay(delay_ms / 1000)
            await asyncio.sleep(run.planned.lasts_ms / 1000)
        finally:
            await self._proxy.delay(0.0)
        run.seen = (await self._proxy.counts()).delayed - before.delayed
        run.detail = f"{run.seen} messages, {delay_ms} ms later each"

    async def _block_network(self, run: FaultRun) -> None:
        before = await self._proxy.counts()
        try:
            await self._proxy.set_blocked(is_blocked=True)
            await asyncio.sleep(run.planned.lasts_ms / 1000)
        finally:
            await self._proxy.set_blocked(is_blocked=False)
        run.seen = (await self._proxy.counts()).withheld - before.withheld
        run.detail = f"{run.seen} messages withheld in {run.planned.lasts_ms / 1000:.1f} s"
