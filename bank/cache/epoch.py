"""Epochs of the cache: no worker reads values that were written in an earlier epoch (decision 0019).

Redis can return with an older state: after the promotion of a replica that was behind, or the restoration of a backup.
The data do not show this. So each epoch has a new random name, which is part of every key and function. In the step in
which they read, the functions detect that the server is not the one that was written to (`library.lua`).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex

_FOLDER = Path(__file__).parent
_LIBRARY = (_FOLDER / "library.lua").read_text()
_NAMES = ("look", "fill", "put", "data", "session", "mark", "quota")
FUNCTIONS = {name: (_FOLDER / f"{name}.lua").read_text() for name in _NAMES}

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
    """An epoch of the cache: its number, which grows with each epoch, and its random name."""

    number: int
    name: str

    @cached_property
    def functions(self) -> dict[str, str]:
        """The names of this epoch's functions in Redis, by their names here."""
        return {name: f"{name}_{self.name}" for name in FUNCTIONS}

    @cached_property
    def prefix(self) -> str:
        """The prefix of every key of this epoch."""
        return f"{self.name}:"

    @property
    def mark(self) -> str:
        """The key of the counter of this epoch's writes."""
        return f"bank:{self.name}"

    @property
    def library(self) -> str:
        """The source of this epoch's functions."""
        bodies = (_FUNCTION.replace("@NAME@", name).replace("@BODY@", body) for name, body in FUNCTIONS.items())
        return "".join((_LIBRARY, *bodies)).replace("@EPOCH@", self.name)


def new_name() -> str:
    """Return a new random name of 48 bits, so that even among a million epochs two equal names are unlikely."""
    return token_hex(6)
