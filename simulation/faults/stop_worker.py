"""The fault of a worker that is stopped in the middle of a batch, while it holds the lock that the others wait for."""

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

ATTEMPTS_NS = 6_000_000_000
"""The bound of all attempts. About one in twenty happens during a batch, because a worker posts a few times a second,
each time for some milliseconds."""

PAUSE_S = (0.0, 0.02)
POLL_S = 0.02
"""The time between two queries. A batch that is not stopped finishes its statement and the pause before
the next statement in less."""


async def stop_in_batch(run: FaultRun, backend: Backend, workers: Sequence[Worker], random: Random) -> None:
    """Stop a worker's process repeatedly until it is in the middle of a batch, then keep it stopped for the fault.

    If no attempt happens during a batch, the fault counts as not seen.
    """
    number = run.planned.worker or 0
    worker, give_up_ns = workers[number], monotonic_ns() + ATTEMPTS_NS
    async with open_database(backend.database_url) as database:
        while not run.seen and monotonic_ns() < give_up_ns:
            await asyncio.sleep(random.uniform(*PAUSE_S))
            async with _stopped(worker):
                run.began_ns = monotonic_ns()
                run.seen = int(await _blocks_others(database))
                if run.seen:
                    run.stopped_worker = number
                    await asyncio.sleep(run.planned.lasts_ms / 1000)
                    run.ended_ns = monotonic_ns()
    run.detail = (
        f"{worker.name} for {(run.ended_ns - run.began_ns) / 1e9:.1f} s" if run.seen else "no batch was in progress"
    )


@asynccontextmanager
async def _stopped(worker: Worker) -> AsyncIterator[None]:
    """Stop a worker's process for the block, unless it is dead, and continue it after the block."""
    process = worker.process
    if process is None or process.returncode is not None:
        yield
        return
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _blocks_others(database: BankDatabase) -> bool:
    """Return whether a connection in the middle of a batch executed nothing between two queries."""
    await asyncio.sleep(POLL_S)
    before = await database.idle_batches()
    if not before:
        return False
    await asyncio.sleep(POLL_S)
    return bool(before & await database.idle_batches())
