"""Nobody can tell afterwards which accounts staff have looked at."""

from typing import Any

from bank.events.recorder import EventRecorder
from bank.events.types.audit import StaffReadEvent
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Let the recorder drop the events of reads by staff."""

    async def record_others(recorder: Any, *events: Any) -> None:
        kept = [event for event in events if not isinstance(event, StaffReadEvent)]
        if len(kept) < len(events):
            mark_reached()
        await record(recorder, *kept)

    record = patch(EventRecorder, "record", record_others, marks_reached=False)


MUTANT = Mutant(
    name="staff_reads_not_recorded",
    explanation=__doc__ or "",
    caught_by=("attacks_are_recorded",),
    plant=plant,
    scenario="attack_day",
    workers=2,
    warm_up=True,
)
