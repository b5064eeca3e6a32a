"""A failed login is refused and counted, but not recorded."""

from typing import Any

from bank.events.types.sessions import LoginFailedEvent
from bank.events.unit_of_work import UnitOfWork
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Let units of work drop the events of failed logins."""

    def emit_others(uow: Any, event: Any, *arguments: Any, **options: Any) -> None:
        if isinstance(event, LoginFailedEvent):
            mark_reached()
        else:
            emit(uow, event, *arguments, **options)

    emit = patch(UnitOfWork, "emit", emit_others, marks_reached=False)


MUTANT = Mutant(
    name="failed_logins_not_recorded",
    explanation=__doc__ or "",
    caught_by=("attacks_are_recorded",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
