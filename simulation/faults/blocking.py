"""Execution of blocking functions in a thread."""

import asyncio
from collections.abc import Callable


async def run_to_completion(function: Callable[[], None]) -> None:
    """Run a blocking function in a thread, and wait for its end even if the caller is cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
