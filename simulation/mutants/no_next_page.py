"""No page of history ever says that there is a next one."""

from typing import Any

from bank.api.resolvers import accounts
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the resolver shape pages this way."""

    def _serialize_page(*what: Any, **how: Any) -> Any:
        page = right(*what, **how)
        return {**page, "pageInfo": {**page["pageInfo"], "hasNextPage": False}}

    right = patch(accounts, "_serialize_page", _serialize_page)


MUTANT = Mutant(
    name="no_next_page",
    explanation=__doc__ or "",
    caught_by=("fields_match_rows",),
    plant=plant,
    scenario="hot_account",
)
