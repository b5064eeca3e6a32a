"""A worker that stands still in the middle of a batch, while it holds what the others wait for."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import monotonic_ns

from fixtures.backends import Backend
from simulation.model.faults import FaultRun
from simulation.stack.database import BankDatabase, open_database
from simulation.stack.workers import Worker

TRY_NS = 6_000_000_000
"""One try in twenty or so meets a batch: a worker posts for some milliseconds, a few times a second."""

BETWEEN_S = (0.0, 0.02)
LOOK_S = 0.02
"""A batch that goes on has been done with its statement by then, and with the pause before the next one."""


async def stop_worker(run: FaultRun, backend: Backend, workers: Sequence[Worker], random: Random) -> None:
    """Stop a worker's process again and again until that was in the middle of a batch; then let it stand for a while.

    Where no batch is met, it stands still all the same, and the fault has not been seen.
    """
    number = run.planned.worker or 0
    worker, give_up_ns = workers[number], monotonic_ns() + TRY_NS
    async with open_database(backend.database_url) as database:
        while not run.seen and monotonic_ns() < give_up_ns:
            await asyncio.sleep(random.uniform(*BETWEEN_S))
            async with _stopped(worker):
                run.began_ns = monotonic_ns()
                run.seen = int(await _holds_others_up(database))
                if run.seen:
                    run.stood_still = number
                    await asyncio.sleep(run.planned.lasts_ms / 1000)
                    run.ended_ns = monotonic_ns()
    run.detail = f"{worker.name} for {(run.ended_ns - run.began_ns) / 1e9:.1f} s" if run.seen else "met no batch"


@asynccontextmanager
async def _stopped(worker: Worker) -> AsyncIterator[None]:
    """Let a worker's process stand still, unless it is dead, and go on."""
    process = worker.process
    if process is None or process.returncode is not None:
        yield
        return
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _holds_others_up(database: BankDatabase) -> bool:
    """Return whether somebody who is to post has said nothing from one look to the next."""
    await asyncio.sleep(LOOK_S)
    before = await database.silent_posters()
    if not before:
        return False
    await asyncio.sleep(LOOK_S)
    return bool(before & await database.silent_posters())
