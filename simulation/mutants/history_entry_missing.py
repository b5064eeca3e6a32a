"""Every page of history lacks its second entry."""

from typing import Any

from bank.accounts.history import history_page
from bank.api.resolvers import accounts
from simulation.mutants.mutant import Mutant, patch


async def _history_page(*where: Any, **which: Any) -> list[Any]:
    rows = list(await history_page(*where, **which))
    return rows[:1] + rows[2:]


def plant() -> None:
    """Let the resolver read pages this way."""
    patch(accounts, "history_page", _history_page)


MUTANT = Mutant(
    name="history_entry_missing",
    explanation=__doc__ or "",
    caught_by=("reads_match_entries",),
    plant=plant,
)
