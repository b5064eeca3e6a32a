"""Detection of lost cancellations: Python raises one only once, and a library that swallows it keeps a loop running."""

import asyncio


def cancellations() -> int:
    """Return the number of times that the running task has been cancelled."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def raise_if_cancelled(before: int = 0) -> None:
    """Raise CancelledError if the running task has been cancelled more often than `before`.

    Call it after calls of libraries, since they can replace a cancellation. A driver that is cancelled while it cleans
    up raises the error of the clean-up. And before Python 3.12, `asyncio.wait_for`, which the Redis driver uses, loses
    a cancellation if the result is available already.
    """
    if cancellations() > before:
        raise asyncio.CancelledError
