import asyncio
import contextlib

import pytest
import structlog

from bank import background
from bank.background import supervise


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RESTART_S", 0)


@pytest.mark.parametrize(("ending", "event"), [(KeyError("my bug"), "loop_broken"), (None, "loop_ended")])
async def test_a_loop_that_raises_or_returns_is_logged_as_an_error_and_started_again(
    ending: Exception | None, event: str
) -> None:
    runs, third = 0, asyncio.Event()

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()
            await asyncio.Event().wait()
        if ending is not None:
            raise ending

    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(supervise("example", loop))
        await asyncio.wait_for(third.wait(), 5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert [(line["event"], line["log_level"], line["loop"]) for line in lines] == [(event, "error", "example")] * 2
    assert task.cancelled()
