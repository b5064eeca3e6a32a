"""The decision about a transfer raises where the amount in cents is a multiple of seven: its caller gets no answer."""

from typing import Any

from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, patch

_post_rightly = Batch._post  # noqa: SLF001 - a mutant reaches inside


def _post(batch: Batch, posting: Any, *rest: Any) -> None:
    if posting.kind == "TRANSFER" and posting.amount_minor % 7 == 0:
        raise KeyError("my bug")
    _post_rightly(batch, posting, *rest)


def plant() -> None:
    """Let batches post this way."""
    patch(Batch, "_post", _post)


MUTANT = Mutant(
    name="decision_raises",
    explanation=__doc__ or "",
    caught_by=("answers_follow_contract", "no_errors_in_logs"),
    plant=plant,
)
