"""Every delivery waits for 20 ms before its handler begins, as one does that looks for news now and then."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bank.events.delivery import Delivery
from bank.events.log import EventRange
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let deliveries be late."""

    async def late(self: Any, event_range: EventRange, committed: Sequence[float] | None) -> None:
        await asyncio.sleep(0.02)
        await deliver(self, event_range, committed)

    deliver = patch(Delivery, "_deliver", late)


MUTANT = Mutant(
    name="handlers_start_late",
    explanation=__doc__ or "",
    caught_by=(),
    misses=("event_latency",),
    plant=plant,
)
