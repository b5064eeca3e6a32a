"""A refusal is not stored under its idempotency key, so a retry after money has arrived succeeds."""

from typing import Any

from bank.ledger.batch import Batch
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let batches discard the keys of refused commands."""

    def decide(batch: Batch, command: Any) -> Any:
        remembered = len(batch.keys)
        outcome = original(batch, command)
        if isinstance(getattr(outcome, "result", None), Refusal):
            del batch.keys[remembered:]
        return outcome

    original = patch(Batch, "decide", decide)


MUTANT = Mutant(
    name="refusal_not_stored",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
