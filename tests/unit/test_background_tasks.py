"""Background tasks: each one runs to its end, is awaited, and has its failure logged; no other code starts tasks."""

import asyncio
from pathlib import Path

import pytest
import structlog

from bank.background import BackgroundTasks

ROOT = Path(__file__).parents[2]


async def test_a_task_without_an_awaiter_runs_to_its_end() -> None:
    tasks, ended = BackgroundTasks(), []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        ended.append(number)
        if number == 1:
            tasks.start("work", work(2))

    tasks.start("work", work(1))
    await tasks.finish()
    assert ended == [1, 2]


async def test_a_task_that_raises_is_logged_as_an_error() -> None:
    tasks, error = BackgroundTasks(), KeyError("my bug")

    async def fail() -> None:
        raise error

    with structlog.testing.capture_logs() as lines:
        tasks.start("work", fail())
        await tasks.finish()
    assert [(line["event"], line["log_level"], line["task"], line["exc_info"]) for line in lines] == [
        ("task_failed", "error", "work", error)
    ]


async def test_tasks_are_cancelled_and_awaited() -> None:
    tasks, ended, begun = BackgroundTasks(), [], asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with structlog.testing.capture_logs() as lines:
        task = tasks.start("work", work())
        await begun.wait()
        await tasks.cancel()
    assert (task.cancelled(), ended, lines) == (True, [True], [])


async def test_waiting_for_cancelled_tasks_can_be_cancelled() -> None:
    tasks, go_on, stopping = BackgroundTasks(), asyncio.Event(), asyncio.Event()

    async def ignore_cancellation() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopping.set()
            await go_on.wait()

    task = tasks.start("work", ignore_cancellation())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(tasks.cancel())
    await stopping.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await asyncio.wait({task})


# The caller that requests a connection awaits this task, or leaves it to the next caller.
AWAITED_BY_THEIR_CALLERS = {"bank/background.py", "bank/database/connecting.py"}


def test_no_other_module_of_the_bank_starts_tasks() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bank").rglob("*.py")
        if any(name in path.read_text("utf-8") for name in ("asyncio.create_task(", "asyncio.ensure_future("))
    }
    assert found == AWAITED_BY_THEIR_CALLERS
