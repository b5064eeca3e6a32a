"""The transaction of a stopped worker holds its locks as long as any slow statement."""

from bank.database import pool
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Leave out the bound of such a transaction."""
    patch(pool, "IDLE_BOUND", "select 1")
    # Reached by every transaction; what the bound is for is seen by the fault.
    patch(pool.Database, "transaction", pool.Database.transaction)


MUTANT = Mutant(
    name="stopped_worker_waited_for",
    explanation=__doc__ or "",
    caught_by=("service_comes_back",),
    plant=plant,
    workers=2,
    faults=("worker_stopped",),
)
