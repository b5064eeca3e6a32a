"""Faults of an idle bank. No posting follows, so the deliveries must continue without a new event."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from time import monotonic_ns

from fixtures.backends import Backend, BackendUnavailable
from simulation.faults.blocking import run_to_completion
from simulation.model.faults import FaultRun
from simulation.stack.commands import CouldNotRunError
from simulation.stack.database import DATABASE_ERRORS, BankDatabase, open_database

DELIVERY_MAX_S = 10.0
"""Far longer than the milliseconds that subscribers need; the checks find a subscriber that does not follow."""

POLL_S = 0.001
"""The time between two queries, because subscribers are only some milliseconds behind."""


async def kill_when_idle(
    run: FaultRun, backend: Backend, bursts: int, post: Callable[[int], Coroutine[None, None, None]]
) -> None:
    """Post for the last time, kill PostgreSQL as soon as every subscriber has handled the events, and start it at once.

    Deliveries do not wait for the disk. If they had reached the disk before the kill, `post` the next burst and repeat.
    """
    postgres = backend.postgres
    assert postgres is not None
    for number in range(bursts):
        lost = False
        # Suppressed because the connection ends with the server.
        with contextlib.suppress(*DATABASE_ERRORS):
            async with open_database(backend.database_url) as database:
                lost = await _deliver(database, post(number))
                run.began_ns = monotonic_ns()
                await run_to_completion(postgres.kill)
        run.ended_ns = monotonic_ns()
        try:
            await run_to_completion(postgres.start)
        except BackendUnavailable as error:
            raise CouldNotRunError(str(error)) from error
        run.detail = f"at the {number + 1}. try"
        if lost:
            run.seen = 1
            return


async def _deliver(database: BankDatabase, posting: Coroutine[None, None, None]) -> bool:
    """Post, wait until all events are delivered, and return whether the last delivery is not on the disk yet."""
    task, before_last = asyncio.create_task(posting), None
    try:
        async with asyncio.timeout(DELIVERY_MAX_S):
            while True:
                is_posted, written = task.done(), await database.written()
                if not await database.drained():
                    before_last = written
                elif is_posted:
                    break
                await asyncio.sleep(POLL_S)
    finally:
        await task
    return before_last is not None and await database.on_disk() <= before_last
