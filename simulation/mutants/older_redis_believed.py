"""Redis always counts as the one that was written to last, also when it comes back with an older state."""

from typing import Any

from bank.cache import epoch
from bank.cache.redis import CacheServer
from simulation.mutants.mutant import Mutant, patch, reached

LOST, BELIEVED = "return {'lost'}", "return {'older', @NAME@(KEYS, ARGV)}"


def plant() -> None:
    """Let the functions in Redis answer all the same."""

    async def _ask(server: CacheServer, call: Any) -> Any:
        state, *rest = await right(server, call)
        if state == b"older":
            reached()
            return [b"whole", *rest]
        return [state, *rest]

    right = patch(CacheServer, "_ask", _ask, noted=False)
    functions = epoch._FUNCTION  # noqa: SLF001 - a mutant reaches inside
    if LOST not in functions:
        raise ValueError(f"the functions to patch do not say {LOST!r}")
    patch(epoch, "_FUNCTION", functions.replace(LOST, BELIEVED))


MUTANT = Mutant(
    name="older_redis_believed",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    faults=("redis_set_back",),
)
