"""Held money can be spent."""

from bank.ledger.model import Account
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Return the whole balance as the available balance."""
    patch(Account, "available_minor", property(lambda account: account.balance_minor))


MUTANT = Mutant(
    name="hold_not_counted",
    explanation=__doc__ or "",
    caught_by=("no_overdraft", "reads_match_entries"),
    plant=plant,
    drop_guards=("alter table accounts drop constraint if exists customers_do_not_overdraw",),
    scenario="payday",
)
