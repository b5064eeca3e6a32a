"""A response from before a change is stored after the change, with the versions of its content."""

from bank.cache.response_cache import ResponseCache
from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_lua import delay, patch_function

LATE_S = 0.1
"""Later than the write-through of a transfer that was decided just after the read, and before the next read."""


def plant() -> None:
    """Remove the comparison of versions, and delay the store of every response."""
    patch_function(
        "fill",
        "if current and tonumber(current) > tonumber(version) then\n    return 0\n  end\n"
        "  if not current or tonumber(current) < tonumber(version) then",
        "if current ~= version then",
    )
    delay(ResponseCache, "fill", lambda *_: LATE_S)


MUTANT = Mutant(
    name="older_response_stored",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    warm_up=True,
)
