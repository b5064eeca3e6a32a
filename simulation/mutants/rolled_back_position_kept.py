"""A delivery uses the position in its memory, even if a crash of PostgreSQL has undone it."""

from typing import Any

from bank.events.delivery import Delivery
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Let a renewed lease keep the position of the delivery."""

    def lease_acquired(delivery: Any, position: int, *, moved_to: int | None = None) -> None:
        if delivery.position is not None and moved_to is not None and position < moved_to:
            mark_reached()
        original(delivery, position)

    original = patch(Delivery, "lease_acquired", lease_acquired, marks_reached=False)


MUTANT = Mutant(
    name="rolled_back_position_kept",
    explanation=__doc__ or "",
    caught_by=("events_complete", "service_recovers"),
    plant=plant,
    faults=("database_kill_when_idle",),
)
