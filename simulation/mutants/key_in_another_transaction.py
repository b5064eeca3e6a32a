"""Idempotency keys are stored after the commit of the effect, and until then the same key has a second effect."""

import asyncio
from typing import Any

from bank.database.pool import Database
from bank.ledger import write
from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, patch
from simulation.mutants.patched_commit import follow_commit

KEY_COLUMNS = ("callers", "keys", "operations", "digests", "outcomes", "key_transactions", "key_salts")
STORE = """
insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, transaction_id, salt, created_at)
values ($1, $2, $3, $4, $5, $6, $7, now()) on conflict do nothing
"""


def plant() -> None:
    """Let the ledger write batches without the keys, and store the keys afterwards."""

    def columns(batch: Batch) -> dict[str, Any]:
        columns: dict[str, Any] = original(batch)
        assert columns.keys() >= set(KEY_COLUMNS)
        return {**columns, **dict.fromkeys(KEY_COLUMNS, ())}

    async def store(database: Database, batch: Batch) -> None:
        await asyncio.sleep(0.02)  # a slow network, so the bug has an effect in a short run
        async with database.connection() as connection:
            await connection.executemany(STORE, batch.keys)

    original = patch(write, "columns", columns)
    follow_commit(store)


MUTANT = Mutant(
    name="key_in_another_transaction",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="double_click",
    workers=2,
)
