"""The decision on a transfer raises if the amount in cents is a multiple of seven, so its caller gets no answer."""

from datetime import date
from typing import Any

from bank.ledger import batch
from bank.ledger.model import Accounts, Posting, apply_posting
from simulation.mutants.mutant import Mutant, patch


def _apply_posting(posting: Posting, accounts: Accounts, today: date) -> Any:
    if posting.kind == "TRANSFER" and posting.amount_minor % 7 == 0:
        raise KeyError("my bug")
    return apply_posting(posting, accounts, today)


def plant() -> None:
    """Let batches apply postings this way."""
    patch(batch, "apply_posting", _apply_posting)


MUTANT = Mutant(
    name="decision_raises",
    explanation=__doc__ or "",
    caught_by=("answers_follow_contract", "no_errors_in_logs"),
    plant=plant,
)
