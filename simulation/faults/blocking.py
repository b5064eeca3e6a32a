"""Waiting for what blocks in a thread."""

import asyncio
from collections.abc import Callable


async def to_the_end(function: Callable[[], None]) -> None:
    """Run something that blocks in a thread, and wait for its end also when we are cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
