"""The one supervised way to run a loop of the bank for as long as the process lives."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bank.cancelling import raise_if_cancelled

logger = structlog.get_logger(__name__)

# Long enough that a loop which breaks at once does not fill the log, short enough that nobody's lease runs out.
RESTART_S = 0.5


async def supervise(name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop until cancelled; start it again where it raises or returns, which is a bug and is logged as an error.

    What a loop expects to go wrong, such as a database that is away, it handles itself.
    """
    while True:
        try:
            await loop()
            logger.error("loop_ended", loop=name)
        except Exception:
            raise_if_cancelled()
            logger.exception("loop_broken", loop=name)
        await asyncio.sleep(RESTART_S)
