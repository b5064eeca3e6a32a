"""A transfer credits twice the amount that it debits."""

from datetime import date

from msgspec.structs import replace

from bank.ledger import batch
from bank.ledger.model import Account, Accounts, Posting, apply_posting
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch


def _apply_posting(posting: Posting, accounts: Accounts, today: date) -> tuple[Account, Account] | Refusal:
    entered = apply_posting(posting, accounts, today)
    if isinstance(entered, Refusal) or posting.kind != "TRANSFER":
        return entered
    debit, credit = entered
    return debit, replace(credit, balance_minor=credit.balance_minor + posting.amount_minor)


def plant() -> None:
    """Let the batch apply postings wrongly."""
    patch(batch, "apply_posting", _apply_posting)


MUTANT = Mutant(
    name="credit_twice",
    explanation=__doc__ or "",
    caught_by=("conservation", "balances_match_oracle"),
    plant=plant,
    drop_guards=("drop trigger if exists balances_change_by_entries on accounts",),
)
