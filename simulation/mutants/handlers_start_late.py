"""Every delivery waits for 20 ms before its handler begins, as one does that looks for news now and then."""

import asyncio
from typing import Any

from bank.events.dispatch import Dispatcher
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let deliveries be late."""

    async def late(*what: Any, **how: Any) -> None:
        await asyncio.sleep(0.02)
        await handle(*what, **how)

    handle = patch(Dispatcher, "handle", late)


MUTANT = Mutant(
    name="handlers_start_late",
    explanation=__doc__ or "",
    caught_by=(),
    misses=("event_latency",),
    plant=plant,
)
