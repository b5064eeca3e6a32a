"""The answer goes out before the commit, and now and then there is no commit."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from bank.ledger import post
from bank.ledger.model import Command
from bank.ledger.write import write
from simulation.mutants.mutant import Mutant, patch

_batches = count(1)


async def _write(self: Any, commands: Sequence[Command], waiting: Sequence[Any]) -> None:
    lost = next(_batches) % 10 == 0
    async with self._database.connection() as connection:
        await connection.execute(post.BEGIN_POSTING)
        batch = await self._load(connection, commands)
        outcomes = [batch.decide(command) for command in commands]
        if batch.writes:
            await write(connection, batch)
        await self._tell(batch, waiting, outcomes, (), 0.0)
        await connection.execute("rollback" if lost else "commit")


def plant() -> None:
    """Let the ledger write this way."""
    patch(post.Ledger, "_write", _write)


MUTANT = Mutant(
    name="answered_before_commit",
    explanation=__doc__ or "",
    caught_by=("acknowledged_is_durable", "balances_match_oracle"),
    plant=plant,
)
