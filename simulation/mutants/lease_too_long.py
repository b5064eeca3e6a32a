"""The lease of a subscriber is much too long, so after the death of its worker nobody serves it for a while."""

from datetime import timedelta
from typing import Any

from bank.events import leases
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Set the lease of subscribers to six seconds."""
    patch(leases, "LEASE", timedelta(seconds=6))

    async def renew(self: Any) -> None:
        await run_once(self)

    run_once = patch(leases.Leases, "run_once", renew)


MUTANT = Mutant(
    name="lease_too_long",
    explanation=__doc__ or "",
    caught_by=("service_recovers",),
    plant=plant,
    workers=2,
    faults=("worker_kill",),
)
