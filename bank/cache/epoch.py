"""Epochs: what was written to Redis in an earlier one is out of reach, for every worker and for ever.

Redis can come back with an older state: a replica that was behind is promoted, an old copy is restored. Nothing in the
data says so. An epoch has a name that nothing before it knew; every key and every function carries it. The functions
find out, in the same step in which they read, that the server is not the one that was written to (`library.lua`).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex

_FOLDER = Path(__file__).parent
_LIBRARY = (_FOLDER / "library.lua").read_text()
FUNCTIONS = {name: (_FOLDER / f"{name}.lua").read_text() for name in ("look", "fill", "put", "data", "session", "mark")}

_FUNCTION = """
local function @NAME@(KEYS, ARGV)
@BODY@end
redis.register_function('@NAME@_@EPOCH@', function(KEYS, ARGV)
  if not is_whole() then
    return {'lost'}
  end
  return {'whole', @NAME@(KEYS, ARGV)}
end)
"""


@dataclass(frozen=True)
class Epoch:
    """One epoch of the cache: its number in the order of epochs, and its name."""

    number: int
    name: str

    @cached_property
    def functions(self) -> dict[str, str]:
        """The names of the functions in Redis in this epoch."""
        return {name: f"{name}_{self.name}" for name in FUNCTIONS}

    @cached_property
    def prefix(self) -> str:
        """The beginning of every key of this epoch."""
        return f"{self.name}:"

    @property
    def mark(self) -> str:
        """The key that counts this epoch's writes."""
        return f"bank:{self.name}"

    @property
    def library(self) -> str:
        """The source of this epoch's functions."""
        bodies = (_FUNCTION.replace("@NAME@", name).replace("@BODY@", body) for name, body in FUNCTIONS.items())
        return "".join((_LIBRARY, *bodies)).replace("@EPOCH@", self.name)


def new_name() -> str:
    """Return a name that no epoch has had: 48 bits, so that also a million epochs seldom share one."""
    return token_hex(6)
