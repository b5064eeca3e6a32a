"""What a unit of work tells is appended to the log twice."""

from collections.abc import Sequence
from typing import Any

from bank.events import work
from bank.events.event import DomainEvent
from bank.events.log import append
from bank.events.model import RecordedEvent
from simulation.mutants.mutant import Mutant, patch


async def _append(connection: Any, events: Sequence[DomainEvent], **when: Any) -> list[RecordedEvent]:
    return await append(connection, [*events, *events], **when)


def plant() -> None:
    """Let units of work append this way."""
    patch(work, "append", _append)


MUTANT = Mutant(
    name="published_twice",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
)
