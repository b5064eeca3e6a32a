"""The event with the new balance of the credited account is never written."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_write_batch


def plant() -> None:
    """Write the updates of debited accounts only."""
    patch_write_batch(
        ("initiated_by, metadata\n    from sides", "initiated_by, metadata\n    from sides where nth = 2")
    )


MUTANT = Mutant(
    name="event_lost",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
    drop_guards=("drop trigger if exists positions_are_dense on event_store",),
)
