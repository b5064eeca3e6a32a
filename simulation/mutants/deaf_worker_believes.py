"""A worker whose listening connection has ended does not listen again, and still trusts the cache."""

import asyncio
import math
from typing import Any

from bank.cache.trust import CacheTrust
from bank.events import leases
from simulation.mutants.mutant import Mutant, patch, reached


def plant() -> None:
    """Prevent every listening connection after the first, and let the trust in the cache never end."""
    connections = 0

    async def connect(*arguments: Any, **named: Any) -> Any:
        nonlocal connections
        if connections:
            reached()
            await asyncio.Event().wait()
        connection = await right(*arguments, **named)
        connections += 1
        return connection

    right = patch(leases, "connect", connect, noted=False)

    def renew(trust: CacheTrust, number: int, name: str, _until_s: float) -> None:
        right_renew(trust, number, name, math.inf)

    right_renew = patch(CacheTrust, "renew", renew, noted=False)
    # The trust is never revoked, however the connection ends, even in the middle of a heartbeat.
    patch(CacheTrust, "revoke", lambda _trust: None, noted=False)


MUTANT = Mutant(
    name="deaf_worker_believes",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    faults=("listeners_ended",),
)
