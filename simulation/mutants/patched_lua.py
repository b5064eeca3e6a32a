"""The patches for mutants whose bug is in a Lua function of the cache: another text in one place, and a slow Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

from bank.cache import epoch
from simulation.mutants.mutant import patch


def patch_function(name: str, original: str, replacement: str) -> None:
    """Replace a text in a Lua function of the cache. Raises ValueError unless it contains `original` exactly once."""
    text = epoch.FUNCTIONS[name]
    if text.count(original) != 1:
        raise ValueError(f"{name}.lua says {original!r} {text.count(original)} times, not once")
    epoch.FUNCTIONS[name] = text.replace(original, replacement)


def delay(owner: Any, method: str, pause_s: Callable[..., float]) -> None:
    """Delay the start of an asynchronous method by `pause_s`, which gets the arguments of the call.

    A correct bank gives correct answers while its calls to the cache are slow, so a check finds only the planted bug.
    """

    async def late(self: Any, *arguments: Any) -> Any:
        await asyncio.sleep(pause_s(*arguments))
        return await original(self, *arguments)

    original = patch(owner, method, late)
