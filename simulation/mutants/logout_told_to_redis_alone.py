"""A logout is written down and told to Redis, and no other worker hears of it where Redis cannot be told."""

from typing import Any

from bank.cache.session_marks import SessionMarks
from bank.identity import sessions
from simulation.mutants.mutant import Mutant, patch, reached


def plant() -> None:
    """Leave out both ways past Redis."""

    async def _close(marks: SessionMarks, session_id: Any) -> None:
        async def nobody(_closures: Any) -> None:
            if await marks._values.session_mark(session_id) is None:  # noqa: SLF001 - a mutant reaches inside
                reached()

        broadcast, marks._broadcast = marks._broadcast, nobody  # noqa: SLF001 - as above
        await right(marks, session_id)
        marks._broadcast = broadcast  # noqa: SLF001 - as above

    right = patch(SessionMarks, "close", _close, noted=False)
    patch(sessions, "tell_of_closed", lambda *_what: None, noted=False)


MUTANT = Mutant(
    name="logout_told_to_redis_alone",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    workers=2,
    faults=("redis_away",),
)
