"""The bank's workers: real processes, which are restarted after their death, as by a supervisor."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns

import aiohttp

from simulation.stack.commands import CouldNotRunError
from simulation.stack.orphan_guard import OrphanGuard

READY_S = 60.0
"""The first start compiles every module to byte code, which takes half a minute on a slow machine."""

READY_POLL_S = 0.05
STOP_S = 30.0
"""The bank waits 20 seconds for requests in flight; supervisors usually kill after 30."""

CRASHES_MAX = 5
CRASHES_WINDOW_NS = 15_000_000_000
"""A worker that ends by itself five times in 15 seconds is unlikely to stay alive. SIGKILL does not count, because it
comes from outside."""

RESTART_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """The unexpected end of a worker."""

    at_ns: int
    worker: str
    reason: str


class Worker:
    """One process of the bank, on a separate port."""

    def __init__(self, name: str, port: int, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._command = [*command, "--host", "127.0.0.1", "--port", str(port)]
        self._environment = dict(environment)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        """Start the process, which appends to its log."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the simulation, which then stops its workers
            )
        return self.process

    def last_log_line(self) -> str:
        """Return the last line of the log, for an error message about the end of the worker."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1][:300] if lines else "it logged nothing"


class Workers:
    """All workers of the bank. `failed` gets a CouldNotRunError if one of them repeatedly ends after its restart."""

    def __init__(self, workers: Sequence[Worker], orphan_guard: OrphanGuard) -> None:
        self.all = list(workers)
        self.exits: list[WorkerExit] = []
        self.notes: list[str] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._orphan_guard = orphan_guard
        self._stopping = False
        self._supervisors: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start every worker and wait until all are ready. Raises CouldNotRunError if one does not become ready."""
        for worker in self.all:
            process = await worker.start()
            self._orphan_guard.register(process.pid)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            for worker in self.all:
                await self._until_ready(worker, session)
        self._supervisors = [asyncio.create_task(self._supervise(worker)) for worker in self.all]
        for supervisor in self._supervisors:
            supervisor.add_done_callback(self._report_failure)

    def _report_failure(self, supervisor: asyncio.Task[None]) -> None:
        if not supervisor.cancelled() and (error := supervisor.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    async def _until_ready(self, worker: Worker, session: aiohttp.ClientSession) -> None:
        try:
            async with asyncio.timeout(READY_S):
                while not await _is_ready(worker, session):
                    if worker.process is None or worker.process.returncode is not None:
                        raise CouldNotRunError(f"the bank's {worker.name} did not start: {worker.last_log_line()}")
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            raise CouldNotRunError(
                f"the bank's {worker.name} was not ready within {READY_S:g} seconds: {worker.last_log_line()}"
            ) from None

    async def _supervise(self, worker: Worker) -> None:
        """Restart the worker after each unexpected end."""
        while worker.process is not None:
            process = worker.process
            code = await process.wait()
            self._orphan_guard.unregister(process.pid)
            if self._stopping:
                return
            exit_ = WorkerExit(monotonic_ns(), worker.name, _reason(code))
            self.exits.append(exit_)
            crashes = self._recent_crashes(exit_) if code != -signal.SIGKILL else 0
            if crashes >= CRASHES_MAX:
                times = f"{crashes} times in a row ({exit_.reason})"
                raise CouldNotRunError(f"the bank's {worker.name} died {times}: {worker.last_log_line()}")
            await asyncio.sleep(RESTART_PAUSE_S * crashes)
            if not self._stopping:
                self._orphan_guard.register((await worker.start()).pid)

    def _recent_crashes(self, latest: WorkerExit) -> int:
        killed = _reason(-signal.SIGKILL)
        mine = [d for d in self.exits if d.worker == latest.worker and d.reason != killed]
        return sum(latest.at_ns - exit_.at_ns < CRASHES_WINDOW_NS for exit_ in mine)

    async def stop(self) -> None:
        """Send SIGTERM to every worker, as a supervisor does, and wait until all have ended.

        A worker that does not end in time is killed.
        """
        self._stopping = True
        for worker in self.all:
            if worker.process is not None and worker.process.returncode is None:
                worker.process.terminate()
        for worker in self.all:
            if worker.process is not None:
                await self._await_end(worker, worker.process)
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        if self.failed.done() and not self.failed.cancelled():
            self.failed.exception()  # retrieved, so asyncio does not log it a second time

    async def _await_end(self, worker: Worker, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                code = await process.wait()
        except TimeoutError:
            self.notes.append(f"{worker.name} did not stop within {STOP_S:g} seconds of SIGTERM and was killed")
            process.kill()
            await process.wait()
        else:
            if code:
                self.notes.append(f"{worker.name} ended with exit code {code} when it was asked to stop")
        self._orphan_guard.unregister(process.pid)


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


async def _is_ready(worker: Worker, session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get(f"{worker.url}/health/ready") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
