"""Every page of history says that it is the last page."""

from typing import Any

from bank.api.resolvers import accounts
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the resolver serialize pages this way."""

    def serialize_page(edges: Any, *, has_next: bool, is_first: bool) -> Any:
        return original(edges, has_next=False, is_first=is_first)

    original = patch(accounts, "serialize_page", serialize_page)


MUTANT = Mutant(
    name="no_next_page",
    explanation=__doc__ or "",
    caught_by=("fields_match_rows",),
    plant=plant,
    scenario="hot_account",
)
