"""A worker whose listening connection has ended does not notice, and goes on believing the cache."""

import asyncio
import contextlib
from typing import Any

from bank.cache.trust import CacheTrust
from bank.events.leases import BEAT_S, Herald
from simulation.mutants.mutant import Mutant, patch, reached


async def _tell(herald: Any, connection: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEAT_S):
            await herald._has_news.wait()  # noqa: SLF001 - a mutant reaches inside
    herald._has_news.clear()  # noqa: SLF001 - as above
    if not connection.is_closed():
        await herald._tell_once(connection)  # noqa: SLF001 - as above


def plant() -> None:
    """Let heartbeats end with the connection, and trust last."""

    async def _beat(herald: Any, connection: Any, echo: str, *, is_new: bool) -> None:
        if connection.is_closed():
            reached()
        else:
            await right(herald, connection, echo, is_new=is_new)

    right = patch(Herald, "_beat", _beat, noted=False)
    patch(Herald, "_tell", _tell, noted=False)
    patch(Herald, "_note_end", lambda *_: None, noted=False)
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
