"""The loop that expires holds raises in every iteration, so held money never becomes available."""

from typing import Any

from bank.holds import expire
from simulation.mutants.mutant import Mutant, patch


async def _expire_once(*_: Any) -> int:
    raise KeyError("my bug")


def plant() -> None:
    """Let the bank run this loop."""
    patch(expire, "expire_once", _expire_once)


MUTANT = Mutant(
    name="expiry_loop_raises",
    explanation=__doc__ or "",
    caught_by=("no_errors_in_logs",),
    plant=plant,
)
