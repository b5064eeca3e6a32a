"""Faults of a bank at rest: nothing is posted afterwards, so that nothing new wakes what should go on by itself."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from time import monotonic_ns

from fixtures.backends import Backend, BackendUnavailable
from simulation.faults.blocking import to_the_end
from simulation.model.faults import FaultRun
from simulation.stack.commands import CouldNotRunError
from simulation.stack.database import DATABASE_ERRORS, BankDatabase, open_database

DELIVERED_S = 10.0
"""Subscribers follow within milliseconds; one that does not is found by the checks."""

LOOK_S = 0.001
"""Between two looks; subscribers are some milliseconds behind."""


async def kill_at_rest(
    run: FaultRun, backend: Backend, bursts: int, post: Callable[[int], Coroutine[None, None, None]]
) -> None:
    """Post for the last time, and kill PostgreSQL as soon as every subscriber has handled that; start it at once.

    Deliveries do not wait for the disk. Where they had reached it all the same, `post` the next burst and try again.
    """
    postgres = backend.postgres
    assert postgres is not None
    for number in range(bursts):
        lost = False
        # The connection ends with the server.
        with contextlib.suppress(*DATABASE_ERRORS):
            async with open_database(backend.database_url) as database:
                lost = await _deliver(database, post(number))
                run.began_ns = monotonic_ns()
                await to_the_end(postgres.kill)
        run.ended_ns = monotonic_ns()
        try:
            await to_the_end(postgres.start)
        except BackendUnavailable as error:
            raise CouldNotRunError(str(error)) from error
        run.detail = f"at the {number + 1}. try"
        if lost:
            run.seen = 1
            return


async def _deliver(database: BankDatabase, posting: Coroutine[None, None, None]) -> bool:
    """Post, wait until all of it is delivered, and return whether the last delivery is not on the disk yet."""
    task, before_last = asyncio.create_task(posting), None
    try:
        async with asyncio.timeout(DELIVERED_S):
            while True:
                is_posted, written = task.done(), await database.written()
                if not await database.drained():
                    before_last = written
                elif is_posted:
                    break
                await asyncio.sleep(LOOK_S)
    finally:
        await task
    return before_last is not None and await database.on_disk() <= before_last
