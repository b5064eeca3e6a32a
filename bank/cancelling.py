"""Cancellations that others lose: Python delivers one once, and whoever swallows it keeps a loop running for ever."""

import asyncio


def cancellations() -> int:
    """Return how often the running task has been cancelled so far."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def raise_if_cancelled(before: int = 0) -> None:
    """Raise CancelledError if the running task has been cancelled more often than `before`.

    For what calls others. A driver that is cancelled while it cleans up raises what went wrong then. And until Python
    3.12 `asyncio.wait_for`, which the driver of Redis waits with, returns a result that is there already and forgets
    that it was cancelled.
    """
    if cancellations() > before:
        raise asyncio.CancelledError
