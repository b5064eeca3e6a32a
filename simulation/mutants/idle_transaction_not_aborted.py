"""The transaction of a stopped worker holds its locks as long as any slow statement."""

from bank.database import pool
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Remove the bound on the idle time of a transaction."""
    patch(pool, "IDLE_BOUND", "select 1")
    # Every transaction notes that the bug was reached; the coverage of the fault shows that the bound was needed.
    patch(pool.Database, "transaction", pool.Database.transaction)


MUTANT = Mutant(
    name="idle_transaction_not_aborted",
    explanation=__doc__ or "",
    caught_by=("service_recovers",),
    plant=plant,
    workers=2,
    faults=("worker_stopped",),
)
