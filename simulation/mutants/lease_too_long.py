"""A subscriber's lease outlives the process that holds it by far: when that is killed, nobody serves for a while."""

from datetime import timedelta

from bank.events import leases
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let subscribers be leased for this long."""
    patch(leases, "LEASE", timedelta(seconds=6))


MUTANT = Mutant(
    name="lease_too_long",
    explanation=__doc__ or "",
    caught_by=("service_comes_back",),
    plant=plant,
    workers=2,
    faults=("worker_kill",),
)
