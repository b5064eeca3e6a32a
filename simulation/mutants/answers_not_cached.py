"""No response is stored in the cache, so every read makes its response again."""

from typing import Any

from bank.cache.response_cache import ResponseCache
from simulation.mutants.mutant import Mutant, patch


async def _keep_nothing(_self: Any, *_what: Any) -> bool:
    return False


def plant() -> None:
    """Replace the method that stores a response by one that stores nothing."""
    patch(ResponseCache, "fill", _keep_nothing)


MUTANT = Mutant(
    name="answers_not_cached",
    explanation=__doc__ or "",
    caught_by=(),
    failed_criteria=("cache_hit_ratio",),
    plant=plant,
)
