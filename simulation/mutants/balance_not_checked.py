"""The bank does not check whether the balance covers the amount."""

from datetime import date

from msgspec.structs import replace

from bank.ledger import batch
from bank.ledger.model import Account, Accounts, Posting, apply_posting
from bank.refusal import Refusal
from simulation.mutants.mutant import Mutant, patch


def _apply_posting(posting: Posting, accounts: Accounts, today: date) -> tuple[Account, Account] | Refusal:
    payer = accounts[posting.debit_id]
    # The posting is applied as to the bank's own account, whose balance may be negative.
    entered = apply_posting(posting, {**accounts, payer.id: replace(payer, kind="CASH")}, today)
    if isinstance(entered, Refusal):
        return entered
    debit, credit = entered
    return replace(debit, kind=payer.kind), credit


def plant() -> None:
    """Let the batch apply postings without this check."""
    patch(batch, "apply_posting", _apply_posting)


MUTANT = Mutant(
    name="balance_not_checked",
    explanation=__doc__ or "",
    caught_by=("no_overdraft",),
    plant=plant,
    drop_guards=("alter table accounts drop constraint if exists customers_do_not_overdraw",),
)
