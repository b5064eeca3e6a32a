"""Idempotency keys are stored once everything else is committed: in between, the same key has a second effect."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bank.ledger import post, write
from bank.ledger.batch import Batch
from bank.ledger.model import Command
from simulation.mutants.mutant import Mutant, patch

KEY_COLUMNS = ("callers", "keys", "operations", "digests", "outcomes", "key_transactions", "key_salts")
STORE = """
insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, transaction_id, salt, created_at)
values ($1, $2, $3, $4, $5, $6, $7, now()) on conflict do nothing
"""


def plant() -> None:
    """Let the ledger leave the keys out, and store them afterwards."""

    def columns(batch: Batch) -> dict[str, Any]:
        right: dict[str, Any] = columns_of(batch)
        assert right.keys() >= set(KEY_COLUMNS)
        return {**right, **dict.fromkeys(KEY_COLUMNS, ())}

    async def commit(self: Any, commands: Sequence[Command]) -> Any:
        committed = await commit_rightly(self, commands)
        await asyncio.sleep(0.02)  # a slow network, so that a short run meets it
        async with self._database.connection() as connection:
            await connection.executemany(STORE, committed[0].keys)
        return committed

    columns_of = patch(write, "columns", columns)
    commit_rightly = patch(post.Ledger, "_commit", commit)


MUTANT = Mutant(
    name="key_in_another_transaction",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="double_click",
    workers=2,
)
