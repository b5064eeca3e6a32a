"""A payment of more than half of the balance is refused for insufficient funds."""

from datetime import date

from bank.ledger import batch
from bank.ledger.model import Account, Accounts, Posting, apply_posting
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch


def _apply_posting(posting: Posting, accounts: Accounts, today: date) -> tuple[Account, Account] | Refusal:
    debit = accounts[posting.debit_id]
    if debit.kind == "CUSTOMER" and 2 * posting.amount_minor > debit.balance_minor:
        return Refusal(code="INSUFFICIENT_FUNDS", message="The balance does not cover the amount.")
    return apply_posting(posting, accounts, today)


def plant() -> None:
    """Let the batch apply postings with this rule."""
    patch(batch, "apply_posting", _apply_posting)


MUTANT = Mutant(
    name="half_the_balance_spendable",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
)
