"""Every tenth event has no audit row."""

from collections.abc import Sequence
from typing import Any

from bank import event_handlers
from bank.audit.record import record_events
from bank.events.event import RecordedEvent
from simulation.mutants.mutant import Mutant, patch


async def _record_events(connection: Any, events: Sequence[RecordedEvent]) -> None:
    await record_events(connection, [recorded for recorded in events if recorded.position % 10])


def plant() -> None:
    """Subscribe this handler instead of the original."""
    patch(event_handlers, "record_events", _record_events)


MUTANT = Mutant(
    name="audit_row_lost",
    explanation=__doc__ or "",
    caught_by=("audit_complete",),
    plant=plant,
)
