"""A logout is written down, and the cache goes on saying that the session is open."""

from typing import Any

from bank.cache.values import ValueCache
from simulation.mutants.mutant import Mutant, patch


async def _nothing(_self: Any, *_what: Any) -> None:
    return None


def plant() -> None:
    """Let the mark of a closed session end in nothing."""
    patch(ValueCache, "mark_session_closed", _nothing)


MUTANT = Mutant(
    name="logout_not_told",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    workers=2,
    warm_up=True,
)
