"""The position of a subscriber moves first, and the effect of the events follows in a separate transaction."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from bank import event_handlers
from bank.audit.record import record_events
from bank.database.pool import Database
from bank.events.event import RecordedEvent
from simulation.mutants.mutant import Mutant, patch

_postponed: ContextVar[Sequence[RecordedEvent]] = ContextVar("postponed", default=())


async def _record_events(_connection: Any, events: Sequence[RecordedEvent]) -> None:
    _postponed.set(events)


def plant() -> None:
    """Let the audit write its rows after the transaction that moves its position."""

    @asynccontextmanager
    async def transaction(database: Database, begin: str) -> AsyncIterator[Any]:
        _postponed.set(())
        async with original(database, begin) as connection:
            yield connection
        if events := _postponed.get():
            _postponed.set(())
            async with original(database, "begin") as connection:
                await asyncio.sleep(0.3)  # a slow network, so the bug has an effect at every cut
                await record_events(connection, events)

    patch(event_handlers, "record_events", _record_events)
    original = patch(Database, "transaction", transaction, marks_reached=False)


MUTANT = Mutant(
    name="position_moved_before_effect",
    explanation=__doc__ or "",
    caught_by=("audit_complete",),
    plant=plant,
    faults=("connections_cut",),
)
