"""The patches for mutants whose bug is in a Lua function of the cache: another text in one place, and a slow Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

from bank.cache import epoch
from simulation.mutants.mutant import patch


def patch_function(name: str, right: str, wrong: str) -> None:
    """Replace `right` by `wrong` in a Lua function of the cache. Raises ValueError unless it contains `right` once."""
    text = epoch.FUNCTIONS[name]
    if text.count(right) != 1:
        raise ValueError(f"{name}.lua says {right!r} {text.count(right)} times, not once")
    epoch.FUNCTIONS[name] = text.replace(right, wrong)


def delay(owner: Any, method: str, pause_s: Callable[..., float]) -> None:
    """Delay the start of an asynchronous method by `pause_s`, which gets the arguments of the call.

    A correct bank gives right answers while its calls to the cache are slow, so a check finds only the planted bug.
    """

    async def late(self: Any, *arguments: Any) -> Any:
        await asyncio.sleep(pause_s(*arguments))
        return await right(self, *arguments)

    right = patch(owner, method, late)
