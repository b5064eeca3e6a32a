"""The bank does not check whether a session is closed, so its token stays valid."""

from typing import Any

from bank.identity.sessions import Sessions
from simulation.mutants.mutant import Mutant, patch


async def _require_nothing(_self: Any, _caller: Any, _mark: Any) -> None:
    return None


def plant() -> None:
    """Treat every session as open."""
    patch(Sessions, "require_open", _require_nothing)


MUTANT = Mutant(
    name="closed_session_accepted",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
)
