"""A subscriber's position is moved first, and the effect of the events follows in a transaction of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bank.events.delivery import Delivery
from bank.events.log import EventRange
from simulation.mutants.mutant import Mutant, patch


@asynccontextmanager
async def _scope(self: Any, event_range: EventRange, **_: bool) -> AsyncIterator[Any]:
    async with self._database.transaction("begin") as connection:
        await self._move(connection, event_range)
    self._moved(event_range)
    async with self._database.transaction("begin") as connection:
        await asyncio.sleep(0.3)  # a slow network, so that every cut meets it
        yield connection


def plant() -> None:
    """Let deliveries open this scope."""
    patch(Delivery, "scope", _scope)


MUTANT = Mutant(
    name="position_moved_before_effect",
    explanation=__doc__ or "",
    caught_by=("audit_complete",),
    plant=plant,
    faults=("connections_cut",),
)
