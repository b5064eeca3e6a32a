"""The resolver of history raises for every tenth page."""

from itertools import count
from typing import Any

from bank.accounts.history import history_page
from bank.api.resolvers import accounts
from simulation.mutants.mutant import Mutant, patch

_pages = count(1)


async def _history_page(*where: Any, **which: Any) -> Any:
    if next(_pages) % 10 == 0:
        raise KeyError("balance_after")
    return await history_page(*where, **which)


def plant() -> None:
    """Let the resolver read pages this way."""
    patch(accounts, "history_page", _history_page)


MUTANT = Mutant(
    name="resolver_raises",
    explanation=__doc__ or "",
    caught_by=("answers_follow_contract",),
    plant=plant,
)
