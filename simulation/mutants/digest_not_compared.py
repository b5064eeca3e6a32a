"""A known idempotency key returns its stored outcome for any content of the request."""

from bank.idempotency.keys import IdempotencyRecord
from simulation.mutants.mutant import Mutant, patch


def _matches(self: IdempotencyRecord, operation: str, _digest: bytes) -> bool:
    return self.operation == operation


def plant() -> None:
    """Compare the operation only."""
    patch(IdempotencyRecord, "matches", _matches)


MUTANT = Mutant(
    name="digest_not_compared",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
