"""A refusal leaves no idempotency key behind: who asks again when money has come in pays after all."""

from typing import Any

from bank.ledger.batch import Batch
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let batches drop the keys of what they refuse."""

    def decide(batch: Batch, command: Any) -> Any:
        remembered = len(batch.keys)
        outcome = right(batch, command)
        if isinstance(getattr(outcome, "result", None), Refusal):
            del batch.keys[remembered:]
        return outcome

    right = patch(Batch, "decide", decide)


MUTANT = Mutant(
    name="refusal_not_remembered",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
