"""The events of a unit of work are appended to the log twice."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bank.events import unit_of_work
from bank.events.event import DomainEvent, EventMetadata, RecordedEvent
from bank.events.log import append
from simulation.mutants.mutant import Mutant, patch


async def _append(
    connection: Any, events: Sequence[DomainEvent], *, now: datetime, metadata: Sequence[EventMetadata]
) -> list[RecordedEvent]:
    return await append(connection, [*events, *events], now=now, metadata=[*metadata, *metadata])


def plant() -> None:
    """Let units of work append events this way."""
    patch(unit_of_work, "append", _append)


MUTANT = Mutant(
    name="events_appended_twice",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
)
