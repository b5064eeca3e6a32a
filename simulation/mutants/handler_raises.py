"""The handler of `account_days` raises for every tenth event, and the event becomes a dead letter."""

from collections.abc import Sequence
from typing import Any

from bank import event_handlers
from bank.accounts.days import count_days
from bank.events.event import RecordedEvent
from simulation.mutants.mutant import Mutant, patch


async def _count_days(connection: Any, events: Sequence[RecordedEvent]) -> None:
    if any(event.position % 10 == 0 for event in events):
        raise KeyError("my bug")
    await count_days(connection, events)


def plant() -> None:
    """Let the subscriber call this handler."""
    patch(event_handlers, "count_days", _count_days)


MUTANT = Mutant(
    name="handler_raises",
    explanation=__doc__ or "",
    caught_by=("no_errors_in_logs",),
    plant=plant,
)
