"""Every batch with a tenth transfer is discarded, and its callers always get the answer that the outcome is unknown."""

from itertools import count
from typing import Any

from bank.errors import OutcomeUnknown
from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Abort each batch that contains such a transfer, or a retry of it."""
    lost: set[tuple[Any, Any]] = set()
    transfers = count(1)

    def decide(batch: Batch, command: Any) -> Any:
        identity = (command.caller_id, command.key)
        if command.operation == "transfer" and next(transfers) % 10 == 0:
            lost.add(identity)
        if identity in lost:
            mark_reached()
            raise OutcomeUnknown("The connection broke while committing; a retry finds out.")
        return original(batch, command)

    original = patch(Batch, "decide", decide, marks_reached=False)


MUTANT = Mutant(
    name="batches_never_answered",
    explanation=__doc__ or "",
    caught_by=("every_operation_is_answered",),
    plant=plant,
)
