"""Background loops: pauses, failures, cancellation, metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from time import time
from typing import Any
from uuid import uuid4

import pytest
import structlog
from prometheus_client import REGISTRY

from bank import background
from bank.background import BackgroundLoop
from bank.errors import Unavailable

# Longer than any test: only another event can end such a pause.
LONG_S = 3_600.0


@asynccontextmanager
async def running(loop: BackgroundLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5)
    assert task.cancelled()


class Iterations:
    """The function of a loop. It counts its iterations, and calls `work` with their number."""

    def __init__(self, work: Callable[[int], Any] = lambda _number: None) -> None:
        self.count = 0
        self._work = work
        self._changed = asyncio.Event()

    async def run_once(self) -> Any:
        self.count += 1
        self._changed.set()
        result = self._work(self.count)
        return await result if isinstance(result, Awaitable) else result

    async def until(self, number: int) -> None:
        while self.count < number:
            self._changed.clear()
            await self._changed.wait()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the loop, which are skipped."""
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await real_sleep(0)

    real_sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", note)
    return slept


def failing(*failures: Exception) -> Callable[[int], None]:
    def work(number: int) -> None:
        if number <= len(failures):
            raise failures[number - 1]

    return work


def named(**options: Any) -> BackgroundLoop:
    return BackgroundLoop(name=f"example_{uuid4().hex}", **options)


def metric_value(loop: BackgroundLoop, name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"loop": loop.name, **labels})


async def test_iterations_follow_each_other_after_the_interval(pauses: list[float]) -> None:
    work = Iterations()
    async with running(named(run_once=work.run_once, interval_s=0.25)):
        await work.until(4)
    assert pauses[:3] == [0.25] * 3


async def test_a_loop_can_begin_with_a_pause(pauses: list[float]) -> None:
    paused_before: list[int] = []
    work = Iterations(lambda _number: paused_before.append(len(pauses)))
    async with running(named(run_once=work.run_once, interval_s=0.25, begins_with_pause=True)):
        await work.until(2)
    assert paused_before[:2] == [1, 2]


async def test_an_iteration_with_more_to_do_is_followed_at_once() -> None:
    work = Iterations(lambda number: number < 5)
    async with running(named(run_once=work.run_once, interval_s=LONG_S)):
        await work.until(5)


async def test_only_true_starts_the_next_iteration_at_once(pauses: list[float]) -> None:
    work = Iterations(lambda _number: 1)
    async with running(named(run_once=work.run_once, interval_s=0.25)):
        await work.until(3)
    assert len(pauses) >= 2


async def test_jitter_varies_the_pauses_around_the_interval(pauses: list[float]) -> None:
    work, again = Iterations(), Iterations()
    async with running(named(run_once=work.run_once, interval_s=10.0, jitter=0.5, random=Random(1))):
        await work.until(200)
    first, pauses[:] = pauses[:100], []
    async with running(named(run_once=again.run_once, interval_s=10.0, jitter=0.5, random=Random(1))):
        await again.until(200)
    assert pauses[:100] == first, "the seed alone decides"
    assert len(set(first)) == 100
    assert 5.0 <= min(first) < 6.0
    assert 14.0 < max(first) <= 15.0


async def test_an_event_ends_the_pause() -> None:
    wake_up = asyncio.Event()
    work = Iterations()
    async with running(named(run_once=work.run_once, interval_s=LONG_S, wake_up=wake_up)):
        for number in range(1, 4):
            await work.until(number)
            wake_up.set()
        await work.until(4)


async def test_an_event_set_during_an_iteration_is_not_lost() -> None:
    wake_up = asyncio.Event()
    work = Iterations(lambda number: wake_up.set() if number < 3 else None)
    async with running(named(run_once=work.run_once, interval_s=None, wake_up=wake_up)):
        await work.until(3)
        assert not wake_up.is_set()


async def test_an_event_that_is_not_set_does_not_change_the_interval() -> None:
    work = Iterations()
    async with running(named(run_once=work.run_once, interval_s=0.001, wake_up=asyncio.Event())):
        await work.until(3)


async def test_an_event_does_not_end_the_minimum_pause(pauses: list[float]) -> None:
    wake_up = asyncio.Event()
    work = Iterations(lambda _number: wake_up.set())
    loop = named(run_once=work.run_once, interval_s=LONG_S, wake_up=wake_up, least_pause_s=0.2)
    async with running(loop):
        await work.until(3)
    assert pauses[:2] == [0.2, 0.2]


def test_a_loop_without_an_interval_and_an_event_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an event"):
        named(run_once=Iterations().run_once, interval_s=None)


async def test_a_loop_pauses_while_it_is_not_ready() -> None:
    ready = asyncio.Event()
    work = Iterations(lambda number: ready.clear() if number == 2 else None)
    async with running(named(run_once=work.run_once, interval_s=0, ready=ready)):
        ready.set()
        ready.clear()
        for _ in range(10):
            await asyncio.sleep(0)
        assert work.count == 0
        ready.set()
        await work.until(2)
        for _ in range(10):
            await asyncio.sleep(0)
        assert work.count == 2


@pytest.mark.parametrize(
    ("error", "event", "level", "kind"),
    [
        (Unavailable("The database does not answer."), "example_interrupted", "warning", "expected"),
        (KeyError("my bug"), "loop_failed", "error", "unexpected"),
    ],
)
async def test_a_failure_is_logged_and_counted_and_the_loop_continues(
    pauses: list[float], error: Exception, event: str, level: str, kind: str
) -> None:
    work = Iterations(failing(error, error))
    loop = named(run_once=work.run_once, interval_s=0.25, failure="example_interrupted")
    with structlog.testing.capture_logs() as lines:
        async with running(loop):
            await work.until(4)
    assert [(line["event"], line["log_level"], line["loop"]) for line in lines] == [(event, level, loop.name)] * 2
    assert pauses[:3] == [0.25] * 3
    assert metric_value(loop, "bank_loop_failures_total", kind=kind) == 2
    assert metric_value(loop, "bank_loop_iterations_total") in {1, 2}


async def test_a_bug_is_logged_with_its_traceback(pauses: list[float]) -> None:
    error = KeyError("my bug")
    work = Iterations(failing(error))
    with structlog.testing.capture_logs() as lines:
        async with running(named(run_once=work.run_once, interval_s=0.25)):
            await work.until(2)
    assert lines[0]["exc_info"] is error
    assert error.__traceback__ is not None


async def test_expected_exceptions_are_configured_for_each_loop(pauses: list[float]) -> None:
    work = Iterations(failing(KeyError("not there yet")))
    loop = named(run_once=work.run_once, interval_s=0.25, is_expected=lambda error: isinstance(error, KeyError))
    with structlog.testing.capture_logs() as lines:
        async with running(loop):
            await work.until(2)
    assert [(line["event"], line["log_level"]) for line in lines] == [("loop_interrupted", "warning")]


async def test_a_loop_without_an_interval_pauses_after_a_failure(pauses: list[float]) -> None:
    wake_up = asyncio.Event()
    work = Iterations(failing(KeyError("my bug")))
    async with running(named(run_once=work.run_once, interval_s=None, wake_up=wake_up)):
        await work.until(2)
    assert pauses == [background.RESTART_S]


async def test_the_pause_after_failures_grows_and_is_reset_by_a_success(pauses: list[float]) -> None:
    gone = Unavailable("gone")
    failures = {1: gone, 2: gone, 3: gone, 5: gone}

    def work_on(number: int) -> None:
        if number in failures:
            raise failures[number]

    work = Iterations(work_on)
    async with running(named(run_once=work.run_once, interval_s=0.25, retry_s=lambda failed, _error: 10.0 * 2**failed)):
        await work.until(6)
    assert pauses[:5] == [10.0, 20.0, 40.0, 0.25, 10.0]


async def test_the_pause_after_a_failure_may_depend_on_the_error(pauses: list[float]) -> None:
    work = Iterations(failing(Unavailable("gone"), KeyError("my bug")))
    loop = named(
        run_once=work.run_once, interval_s=0.25, retry_s=lambda _, error: 1.0 if isinstance(error, Unavailable) else 5.0
    )
    async with running(loop):
        await work.until(3)
    assert pauses[:2] == [1.0, 5.0]


async def test_an_event_does_not_end_the_pause_after_a_failure(pauses: list[float]) -> None:
    wake_up = asyncio.Event()

    def fail(_number: int) -> None:
        wake_up.set()
        raise Unavailable("gone")

    work = Iterations(fail)
    async with running(named(run_once=work.run_once, interval_s=7.0, wake_up=wake_up)):
        await work.until(3)
    assert pauses[:2] == [7.0, 7.0]


@pytest.mark.parametrize("where", ["iteration", "pause", "wait", "not ready", "failure"])
async def test_a_loop_can_be_cancelled_at_any_point(where: str) -> None:
    def work_on(_number: int) -> Any:
        if where == "failure":
            raise Unavailable("gone")
        return asyncio.Event().wait() if where == "iteration" else None

    work = Iterations(work_on)
    wake_up, ready = (asyncio.Event() if where == event else None for event in ("wait", "not ready"))
    loop = named(run_once=work.run_once, interval_s=LONG_S, wake_up=wake_up, ready=ready)
    async with running(loop):
        if where != "not ready":
            await work.until(1)
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.mark.parametrize("outcome", [None, True, TimeoutError("it was interrupted")])
async def test_a_cancellation_suppressed_by_an_iteration_ends_the_loop(outcome: Any) -> None:
    async def swallow() -> Any:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    # Later iterations do not swallow, so that a loop which goes on can be stopped after the test has failed.
    work = Iterations(lambda number: swallow() if number == 1 else asyncio.Event().wait())
    with structlog.testing.capture_logs() as lines:
        async with running(named(run_once=work.run_once, interval_s=0)):
            await work.until(1)
    assert (work.count, lines) == (1, [])


async def test_a_loop_has_metrics_of_iterations_duration_and_last_success(pauses: list[float]) -> None:
    before = time()
    work = Iterations()
    loop = named(run_once=work.run_once, interval_s=0.25)
    async with running(loop):
        assert metric_value(loop, "bank_loop_last_success_timestamp_seconds") is None
        await work.until(3)
    assert (metric_value(loop, "bank_loop_iterations_total") or 0) >= 2
    assert metric_value(loop, "bank_loop_seconds_count") == metric_value(loop, "bank_loop_iterations_total")
    assert before <= (metric_value(loop, "bank_loop_last_success_timestamp_seconds") or 0) <= time()
    assert metric_value(loop, "bank_loop_failures_total", kind="expected") == 0
    assert metric_value(loop, "bank_loop_failures_total", kind="unexpected") == 0


async def test_a_failure_does_not_count_as_a_success(pauses: list[float]) -> None:
    work = Iterations(failing(*[KeyError("my bug")] * 100))
    loop = named(run_once=work.run_once, interval_s=0.25)
    async with running(loop):
        await work.until(3)
    assert not metric_value(loop, "bank_loop_iterations_total")
    assert metric_value(loop, "bank_loop_last_success_timestamp_seconds") is None
    assert (metric_value(loop, "bank_loop_seconds_count") or 0) >= 2


async def test_an_iteration_outside_of_the_loop_raises_no_exception() -> None:
    numbers = count(1)

    async def run_once() -> None:
        if next(numbers) == 1:
            raise KeyError("my bug")

    loop = named(run_once=run_once, interval_s=LONG_S)
    with structlog.testing.capture_logs() as lines:
        await loop.attempt()
        await loop.attempt()
    assert [line["event"] for line in lines] == ["loop_failed"]
    assert metric_value(loop, "bank_loop_iterations_total") == 1
