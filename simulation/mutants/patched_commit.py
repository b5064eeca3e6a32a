"""The patch for mutants that commit a part of a batch of the ledger in another, later transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bank.database.pool import Database
from bank.ledger import post
from bank.ledger.batch import Batch
from simulation.mutants.mutant import mark_reached, patch


def follow_commit(with_what: Callable[[Database, Batch], Awaitable[None]]) -> None:
    """Call `with_what` after each commit of a batch, before any request of the batch is answered."""
    written: list[Batch] = []  # a process writes one batch at a time

    async def write(connection: Any, batch: Batch) -> Any:
        written[:] = [batch]
        return await original_write(connection, batch)

    @asynccontextmanager
    async def transaction(database: Database, begin: str) -> AsyncIterator[Any]:
        async with original_transaction(database, begin) as connection:
            yield connection
        if begin == post.BEGIN_POSTING and written:
            mark_reached()
            await with_what(database, written.pop())

    original_write = patch(post, "write", write, marks_reached=False)
    original_transaction = patch(Database, "transaction", transaction, marks_reached=False)
