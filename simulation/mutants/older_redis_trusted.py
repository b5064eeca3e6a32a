"""Redis always counts as current, also if it comes back with an older state."""

import re
from typing import Any

from redis.asyncio import Redis

from bank.cache.epoch import Epoch
from simulation.mutants.mutant import Mutant, mark_reached, patch

LOST = re.compile(r"return \{'lost'\}\n  end\n  return \{'whole', (\w+)\(KEYS, ARGV\)\}")
ANSWERED = r"return {'older', \1(KEYS, ARGV)}\n  end\n  return {'whole', \1(KEYS, ARGV)}"


def plant() -> None:
    """Let the functions in Redis answer even after they detect an older state."""

    def library(epoch: Epoch) -> str:
        text, changed = LOST.subn(ANSWERED, original_library.fget(epoch))
        if not changed:
            raise ValueError(f"the functions to patch do not say {LOST.pattern}")
        return text

    async def fcall(client: Redis, *arguments: Any) -> Any:
        reply = await original_fcall(client, *arguments)
        if isinstance(reply, list) and reply[0] == b"older":
            mark_reached()
            return [b"whole", *reply[1:]]
        return reply

    original_library = patch(Epoch, "library", property(library), marks_reached=False)
    original_fcall = patch(Redis, "fcall", fcall, marks_reached=False)


MUTANT = Mutant(
    name="older_redis_trusted",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    faults=("redis_rolled_back",),
)
