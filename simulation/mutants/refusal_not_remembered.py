"""A refusal leaves no idempotency key behind: who asks again when money has come in pays after all."""

from bank.idempotency.outcomes import Outcome
from bank.ledger.batch import Batch
from bank.ledger.model import Command
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch

_decide_rightly = Batch._decide  # noqa: SLF001 - a mutant reaches inside


def _decide(self: Batch, command: Command) -> Outcome:
    remembered = len(self.keys)
    outcome = _decide_rightly(self, command)
    if isinstance(outcome.result, Refusal):
        del self.keys[remembered:]
    return outcome


def plant() -> None:
    """Let batches decide this way."""
    patch(Batch, "_decide", _decide)


MUTANT = Mutant(
    name="refusal_not_remembered",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
)
