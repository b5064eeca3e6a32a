"""For mutants whose bug is in a function of the cache: its Lua with another text in a place, and Redis far away."""

import asyncio
from collections.abc import Callable
from typing import Any

from bank.cache import epoch
from simulation.mutants.mutant import patch


def patch_function(name: str, right: str, wrong: str) -> None:
    """Let every worker run a function of the cache with another text. Raises ValueError unless it says `right` once."""
    text = epoch.FUNCTIONS[name]
    if text.count(right) != 1:
        raise ValueError(f"{name}.lua says {right!r} {text.count(right)} times, not once")
    epoch.FUNCTIONS[name] = text.replace(right, wrong)


def delay(owner: Any, method: str, pause_s: Callable[..., float]) -> None:
    """Let an asynchronous method wait before it begins, for as long as `pause_s` says of what it was called with.

    A correct bank shows nothing wrong while its calls to the cache are late, so that what a check then finds is the
    planted bug alone.
    """

    async def late(self: Any, *arguments: Any) -> Any:
        await asyncio.sleep(pause_s(*arguments))
        return await right(self, *arguments)

    right = patch(owner, method, late)
