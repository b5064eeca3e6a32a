"""A known idempotency key is answered from memory, whatever the content of the request."""

from bank.ledger.keys import KnownKey
from simulation.mutants.mutant import Mutant, patch


def _is_for(self: KnownKey, operation: str, _digest: bytes) -> bool:
    return self.operation == operation


def plant() -> None:
    """Compare the operation only."""
    patch(KnownKey, "is_for", _is_for)


MUTANT = Mutant(
    name="digest_not_compared",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
