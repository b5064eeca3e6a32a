"""A worker whose listening connection has ended does not listen again, and still trusts the cache."""

import asyncio
import math
from typing import Any

from bank.cache.trust import CacheTrust
from bank.events import leases
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Prevent every listening connection after the first, and let the trust in the cache never end."""
    connections = 0

    async def connect(*arguments: Any, **named: Any) -> Any:
        nonlocal connections
        if connections:
            mark_reached()
            await asyncio.Event().wait()
        connection = await original(*arguments, **named)
        connections += 1
        return connection

    original = patch(leases, "connect", connect, marks_reached=False)

    def renew(trust: CacheTrust, number: int, name: str, _until_s: float) -> None:
        original_renew(trust, number, name, math.inf)

    original_renew = patch(CacheTrust, "renew", renew, marks_reached=False)
    # The trust is never revoked, however the connection ends, even in the middle of a heartbeat.
    patch(CacheTrust, "revoke", lambda _trust: None, marks_reached=False)


MUTANT = Mutant(
    name="unsubscribed_worker_trusts_cache",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    faults=("listeners_disconnected",),
)
