"""The events of postings are appended in a separate transaction, after the transaction that moves the money."""

from typing import Any

from bank.database.pool import Database
from bank.events.log import append
from bank.ledger import post
from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, patch
from simulation.mutants.patched_commit import follow_commit
from simulation.mutants.patched_sql import patch_write_batch


def plant() -> None:
    """Let the batch commit without its events, and append them afterwards."""
    patch_write_batch(
        ("position + 4 * (select count(*) from posted) returning", "position returning"),
        ("metadata, :now\n    from events, head", "metadata, :now\n    from events, head where false"),
    )

    async def write(connection: Any, batch: Batch) -> Any:
        await original(connection, batch)
        return ()  # no event of the batch is in the log yet

    async def append_events(database: Database, batch: Batch) -> None:
        pending = [(event, posted.metadata) for posted in batch.posted for event in posted.events()]
        if pending:
            events, metadata = zip(*pending, strict=True)
            async with database.transaction("begin") as connection:
                await append(connection, events, now=batch.now, metadata=metadata)

    original = patch(post, "write", write)
    follow_commit(append_events)


MUTANT = Mutant(
    name="event_appended_after_commit",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
    faults=("commit_reply_cut",),
)
