"""The cache does not get new balances, neither after the commit nor by the event."""

from typing import Any

from bank.accounts.cached import AccountCache
from simulation.mutants.mutant import Mutant, patch


async def _nothing(_self: Any, *_what: Any) -> None:
    return None


def plant() -> None:
    """Disable both ways by which a new balance reaches the cache."""
    patch(AccountCache, "write_through", _nothing)
    patch(AccountCache, "catch_up", _nothing)


MUTANT = Mutant(
    name="write_through_missing",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
)
