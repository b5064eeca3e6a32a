"""For mutants whose bug is in a script of the cache."""

from pathlib import Path
from typing import Any

from bank.cache import redis
from simulation.mutants.mutant import patch


def patch_script(name: str, right: str, wrong: str) -> None:
    """Let every cache server run a script with another text. Raises ValueError where it does not say `right` once."""
    text = Path(redis.__file__).with_name(f"{name}.lua").read_text("utf-8")
    if text.count(right) != 1:
        raise ValueError(f"{name}.lua says {right!r} {text.count(right)} times, not once")

    def begin(self: Any, *where: Any, **how: Any) -> None:
        usual(self, *where, **how)
        self._scripts[name] = self.client.register_script(text.replace(right, wrong).encode())

    usual = patch(redis.CacheServer, "__init__", begin)
