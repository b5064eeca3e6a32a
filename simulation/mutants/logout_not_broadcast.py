"""A logout is stored, but neither the cache nor another worker is notified."""

from typing import Any

from bank.cache.session_marks import SessionMarks
from bank.identity import log_out
from simulation.mutants.mutant import Mutant, patch


async def _nothing(_self: Any, *_what: Any) -> None:
    return None


def plant() -> None:
    """Disable the mark in the cache and the notification of a closed session."""
    patch(SessionMarks, "close", _nothing)
    patch(log_out, "notify_closed_sessions", lambda *_what: None)


MUTANT = Mutant(
    name="logout_not_broadcast",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    workers=2,
    warm_up=True,
)
