"""The events of postings are appended in a transaction of their own, after the one that moved the money."""

from collections.abc import Sequence
from typing import Any

from bank.events.log import append
from bank.ledger import post
from bank.ledger.model import Command
from simulation.mutants.mutant import Mutant, patch
from simulation.mutants.patched_sql import patch_write_batch


def plant() -> None:
    """Let the batch commit without its events, and append them then."""
    patch_write_batch(
        ("position + 4 * (select count(*) from posted) returning", "position returning"),
        ("metadata, :now\n    from events, head", "metadata, :now\n    from events, head where false"),
    )
    commit = post.Ledger._commit  # noqa: SLF001 - to patch is to know the inside

    async def _commit(self: Any, commands: Sequence[Command]) -> Any:
        batch, outcomes, _ = await commit(self, commands)
        told = [(event, posted.metadata) for posted in batch.posted for event in posted.events()]
        if told:
            events, metadata = zip(*told, strict=True)
            async with self._database.transaction("begin") as connection:
                await append(connection, events, now=batch.now, metadata=metadata)
        return batch, outcomes, []

    patch(post.Ledger, "_commit", _commit)


MUTANT = Mutant(
    name="event_appended_after_commit",
    explanation=__doc__ or "",
    caught_by=("events_complete",),
    plant=plant,
    faults=("commit_reply_cut",),
)
