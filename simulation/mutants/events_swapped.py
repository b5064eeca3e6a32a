"""The Completed event of a transaction comes before its Initiated event."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_write_batch


def plant() -> None:
    """Write each of the two events at the position of the other."""
    in_order = "(1, 'TransactionInitiatedEvent'), (4, 'TransactionCompletedEvent')"
    patch_write_batch((in_order, "(4, 'TransactionInitiatedEvent'), (1, 'TransactionCompletedEvent')"))


MUTANT = Mutant(
    name="events_swapped",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
)
