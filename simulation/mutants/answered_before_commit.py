"""The answer is sent before the commit, and sometimes the commit does not happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

from bank.database.pool import Database
from bank.ledger import post
from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, mark_reached, patch

LATER_S = 0.005
"""Longer than the time until the answer is sent."""


def plant() -> None:
    """Let the ledger continue while its transaction is still open, and roll back every tenth transaction."""
    batches = count(1)
    ending: set[asyncio.Task[None]] = set()

    async def end(stack: AsyncExitStack, connection: Any, *, is_lost: bool) -> None:
        await asyncio.sleep(LATER_S)
        if is_lost:
            await connection.execute("rollback")
        await stack.aclose()

    @asynccontextmanager
    async def transaction(database: Database, begin: str) -> AsyncIterator[Any]:
        stack = AsyncExitStack()
        connection = await stack.enter_async_context(original_transaction(database, begin))
        try:
            yield connection
        except BaseException as error:
            await stack.__aexit__(type(error), error, error.__traceback__)
            raise
        if begin != post.BEGIN_POSTING:
            await stack.aclose()
            return
        mark_reached()
        task = asyncio.create_task(end(stack, connection, is_lost=next(batches) % 10 == 0))
        ending.add(task)
        task.add_done_callback(ending.discard)

    async def write(connection: Any, batch: Batch) -> Any:
        await original_write(connection, batch)
        return ()  # subscribers read the committed events from the log

    original_transaction = patch(Database, "transaction", transaction, marks_reached=False)
    original_write = patch(post, "write", write, marks_reached=False)


MUTANT = Mutant(
    name="answered_before_commit",
    explanation=__doc__ or "",
    caught_by=("acknowledged_is_durable", "balances_match_oracle"),
    plant=plant,
)
