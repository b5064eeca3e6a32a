"""A subscriber's position is moved first, and the effect of the events follows in a transaction of its own."""

import asyncio
from typing import Any

from bank.events.delivery import Delivery
from simulation.mutants.mutant import Mutant, patch


async def _deliver(self: Any, stretch: Any, committed: Any) -> None:
    async with self._database.transaction("begin") as connection:
        await self._move(connection, stretch)
    self._moved(stretch)
    async with self._database.transaction("begin") as connection:
        await asyncio.sleep(0.3)  # a slow network, so that every cut meets it
        await self._handle(connection, stretch.events, committed)


def plant() -> None:
    """Let events be delivered this way."""
    patch(Delivery, "_deliver", _deliver)


MUTANT = Mutant(
    name="position_moved_before_effect",
    explanation=__doc__ or "",
    caught_by=("audit_complete",),
    plant=plant,
    faults=("connections_cut",),
)
