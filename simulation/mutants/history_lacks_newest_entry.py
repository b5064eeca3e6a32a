"""A page of history lacks the newest entry."""

from typing import Any

from bank.api.resolvers import accounts
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the resolver read pages from the entry before the newest one on."""

    async def _history_page(snapshot: Any, account_id: Any, *, before: int, max_rows: int, after: int = 0) -> Any:
        return await original(snapshot, account_id, before=before - 1, max_rows=max_rows, after=after)

    original = patch(accounts, "history_page", _history_page)


MUTANT = Mutant(
    name="history_lacks_newest_entry",
    explanation=__doc__ or "",
    caught_by=("fields_match_rows",),
    plant=plant,
)
