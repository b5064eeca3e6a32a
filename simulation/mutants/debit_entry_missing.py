"""A posting has only the entry of the credited account."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_write_batch


def plant() -> None:
    """Write the entries of credited accounts only."""
    entries = "select account_id, version, transaction_id, change_minor, currency, balance_minor, :now from sides"
    patch_write_batch((entries, f"{entries} where nth = 3"))


MUTANT = Mutant(
    name="debit_entry_missing",
    explanation=__doc__ or "",
    caught_by=("conservation", "bank_check_agrees"),
    plant=plant,
    drop_guards=(
        "drop trigger if exists entries_sum_to_zero on entries",
        "drop trigger if exists transactions_have_entries on transactions",
        "drop trigger if exists balances_change_by_entries on accounts",
    ),
)
