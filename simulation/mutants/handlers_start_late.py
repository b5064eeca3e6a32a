"""Every delivery waits 20 ms before its handler starts, as if it polled for events."""

import asyncio
from typing import Any

from bank.events.dispatch import Dispatcher
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Delay every delivery."""

    async def late(*what: Any, **how: Any) -> None:
        await asyncio.sleep(0.02)
        await handle(*what, **how)

    handle = patch(Dispatcher, "handle", late)


MUTANT = Mutant(
    name="handlers_start_late",
    explanation=__doc__ or "",
    caught_by=(),
    failed_criteria=("event_latency",),
    plant=plant,
)
