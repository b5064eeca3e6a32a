"""Background work: supervised loops, and tasks that no caller awaits."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from time import perf_counter, time
from typing import Any

import structlog

from bank.cancelling import raise_if_cancelled
from bank.errors import BankError
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

# The pause after a failure of a loop without an interval. Long enough that a loop which fails at once does not fill the
# log, and short enough that no lease expires meanwhile.
RESTART_S = 0.5


def is_bank_error(error: Exception) -> bool:
    """Return whether an error is an expected one, such as an unavailable server or a limit that is reached."""
    return isinstance(error, BankError)


def _new_random() -> Random:
    return Random()  # noqa: S311 - jitter of pauses, no secret


@dataclass(slots=True, kw_only=True)
class BackgroundLoop:
    """A loop that calls `run_once`, pauses, and repeats this until it is cancelled.

    The pause is `interval_s`, varied at random by up to the fraction `jitter`. Without an interval, the loop pauses
    until `wake_up` is set. After an iteration that returns True there is no pause, because more work is waiting.
    `wake_up` ends a pause early, but not before `least_pause_s`; the loop clears it before each iteration. While
    `ready` is not set, there are no iterations.

    A failed iteration is logged, and the loop continues. An error for which `is_expected` returns True is logged as a
    warning with the name `failure`; any other error is a bug and logged as an error. The pause after a failure is
    `retry_s(failures, error)`, where `failures` is the number of failures in a row before this one. Without `retry_s`
    it is the interval. `wake_up` does not end this pause.
    """

    name: str
    run_once: Callable[[], Awaitable[object]]
    interval_s: float | None
    jitter: float = 0.0
    random: Random = field(default_factory=_new_random)
    begins_with_pause: bool = False
    wake_up: asyncio.Event | None = None
    least_pause_s: float = 0.0
    ready: asyncio.Event | None = None
    failure: str = "loop_interrupted"
    is_expected: Callable[[Exception], bool] = is_bank_error
    retry_s: Callable[[int, Exception], float] | None = None

    def __post_init__(self) -> None:
        if self.interval_s is None and self.wake_up is None:
            raise ValueError("a loop without an interval needs an event that wakes it up")

    async def run(self) -> None:
        """Run until cancelled."""
        for kind in ("expected", "unexpected"):
            metrics.LOOP_FAILURES.labels(self.name, kind)  # the series has to begin at 0, so that its rate is right
        failures = 0
        if self.begins_with_pause:
            await self._pause()
        while True:
            # In a loop, because the event can be cleared again before this task runs.
            while self.ready is not None and not self.ready.is_set():
                await self.ready.wait()
            if self.wake_up is not None:
                self.wake_up.clear()
            has_more, error = await self._iterate()
            if error is not None:
                await asyncio.sleep(self._retry_pause_s(failures, error))
                failures += 1
            else:
                failures = 0
                if not has_more:
                    await self._pause()

    async def attempt(self) -> None:
        """Run one iteration outside of the loop. Errors are logged and not raised."""
        await self._iterate()

    async def _iterate(self) -> tuple[bool, Exception | None]:
        """Run one iteration; return whether more work is waiting, and the error of a failed iteration."""
        started = perf_counter()
        try:
            has_more = await self.run_once()
        except Exception as error:  # noqa: BLE001 - the loop has to continue after every error
            raise_if_cancelled()
            metrics.LOOP_SECONDS.labels(self.name).observe(perf_counter() - started)
            self._note_failure(error)
            return False, error
        raise_if_cancelled()
        metrics.LOOP_SECONDS.labels(self.name).observe(perf_counter() - started)
        metrics.LOOP_ITERATIONS.labels(self.name).inc()
        metrics.LOOP_LAST_SUCCESS.labels(self.name).set(time())
        return has_more is True, None

    def _note_failure(self, error: Exception) -> None:
        is_expected = self.is_expected(error)
        metrics.LOOP_FAILURES.labels(self.name, "expected" if is_expected else "unexpected").inc()
        if is_expected:
            logger.warning(self.failure, loop=self.name, error=error)
        else:
            logger.error("loop_failed", loop=self.name, exc_info=error)

    def _retry_pause_s(self, failures: int, error: Exception) -> float:
        if self.retry_s is not None:
            return self.retry_s(failures, error)
        return self._interval_s(self.interval_s) if self.interval_s else RESTART_S

    def _interval_s(self, interval_s: float) -> float:
        return interval_s * self.random.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else interval_s

    async def _pause(self) -> None:
        if self.least_pause_s:
            await asyncio.sleep(self.least_pause_s)
        if self.interval_s is None:
            assert self.wake_up is not None
            await self.wake_up.wait()
            return
        pause_s = self._interval_s(self.interval_s) - self.least_pause_s
        if self.wake_up is None:
            await asyncio.sleep(pause_s)
            return
        try:
            async with asyncio.timeout(pause_s):
                await self.wake_up.wait()
        except TimeoutError:
            return


class BackgroundTasks:
    """Tasks that no caller awaits. They are referenced until they end, and their errors are logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task. Its `name` appears in the log."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task_failed", task=task.get_name(), exc_info=error)

    async def finish(self) -> None:
        """Wait until every task has ended, including those that are started meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel every task, and wait until all have ended."""
        for task in self._tasks:
            task.cancel()
        await self.finish()
