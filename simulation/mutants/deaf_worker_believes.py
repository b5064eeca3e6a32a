"""A worker whose listening connection has ended does not notice, and goes on believing the cache."""

import asyncio
import contextlib
from typing import Any

from bank.cache.trust import CacheTrust
from bank.events.leases import BEAT_S, LogListener
from simulation.mutants.mutant import Mutant, patch, reached


async def _tell(listener: Any, connection: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEAT_S):
            await listener._has_news.wait()  # noqa: SLF001 - a mutant reaches inside
    listener._has_news.clear()  # noqa: SLF001 - as above
    if not connection.is_closed():
        await listener._tell_once(connection)  # noqa: SLF001 - as above


def plant() -> None:
    """Let heartbeats end with the connection, and trust last."""

    async def _beat(listener: Any, connection: Any, echo: str, *, is_new: bool) -> None:
        if connection.is_closed():
            reached()
        else:
            await right(listener, connection, echo, is_new=is_new)

    right = patch(LogListener, "_beat", _beat, noted=False)
    patch(LogListener, "_tell", _tell, noted=False)
    patch(LogListener, "_note_end", lambda *_: None, noted=False)
    patch(CacheTrust, "current", lambda trust: trust._epoch, noted=False)  # noqa: SLF001 - as above
    patch(CacheTrust, "holds", lambda trust, epoch: trust._epoch is epoch, noted=False)  # noqa: SLF001 - as above


MUTANT = Mutant(
    name="deaf_worker_believes",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    faults=("listeners_ended",),
)
