"""The observations during a run, for the checks."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic_ns

from fixtures.backends import Backend
from simulation.faults.inject import Injector
from simulation.judge.database_state import DatabaseState, LedgerSnapshot
from simulation.judge.observe import read_database, read_ledger, watch_ledger
from simulation.metrics.scrape import Scraper
from simulation.model.plan import Plan
from simulation.model.progress import Progress
from simulation.stack.bank_check import BankCheck
from simulation.stack.database import DATABASE_ERRORS, open_database
from simulation.stack.start import Stack

DRAIN_S = 30.0
"""The time for all subscribers to handle all events after the last answer. It is generous, because a takeover of the
subscribers of a dead worker takes two seconds."""


@dataclass(slots=True)
class Observations:
    """The observations during a run, for the checks."""

    began_ns: int = field(default_factory=monotonic_ns)
    drive_began_ns: int | None = None
    snapshots: list[LedgerSnapshot] = field(default_factory=list)
    database: DatabaseState | None = None
    drained: bool = False
    overtime_s: float = 0.0
    bank_check: BankCheck | None = None
    notes: list[str] = field(default_factory=list)

    def clock_s(self) -> float:
        """Return the seconds since the start of the drive, or before the drive since the start of the run."""
        return (monotonic_ns() - (self.drive_began_ns or self.began_ns)) / 1e9


async def keep_watching_ledger(backend: Backend, seen: Observations) -> None:
    """Take snapshots of the ledger until cancelled, and note each failure to read the database."""
    while True:
        try:
            async with open_database(backend.database_url) as database:
                await watch_ledger(database, seen.clock_s, seen.snapshots)
        except DATABASE_ERRORS as error:
            seen.notes.append(f"a snapshot of the ledger failed at {seen.clock_s():.1f} s: {type(error).__name__}")
            await asyncio.sleep(1.0)


async def await_idle(
    backend: Backend,
    scraper: Scraper,
    injector: Injector,
    seen: Observations,
    progress: Progress,
    *,
    stack: Stack,
    plan: Plan,
) -> None:
    """Wait until all events are handled, then read the ledger, the whole database and the metrics.

    Stored texts are decrypted with the master key of the stack, and searched for the personal texts of the plan.
    """
    progress.step("Waiting until every event is handled")
    try:
        async with open_database(backend.database_url) as database:
            seen.drained = await database.wait_until_drained(DRAIN_S)
            injector.record_drain(drained=seen.drained)
            if not seen.drained:
                seen.notes.append(f"some events were not handled within {DRAIN_S:g} seconds after the last answer")
            progress.step("Reading the books")
            seen.snapshots.append(await read_ledger(database, seen.clock_s()))
            seen.database = await read_database(database, stack.master_key, plan)
    except DATABASE_ERRORS as error:
        seen.notes.append(f"the database could not be read at the end: {type(error).__name__}")
    await scraper.run_once()
