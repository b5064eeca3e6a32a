"""Subscribers read the log in the order of event ids, so an event with an early id and a late commit is skipped."""

import asyncio
from typing import Any

from bank.events import dispatch
from bank.events.bus import Inbox
from bank.events.log import EventRange, recorded_event
from bank.ledger import post
from simulation.mutants.mutant import Mutant, patch

NEXT = """
    select position, event_type, event_version, event_data, metadata, created_at from event_store
    where id > coalesce((select id from event_store where position <= $1 order by id desc limit 1),
        '00000000-0000-0000-0000-000000000000') order by id limit $2
"""
HEAD = "select coalesce(max(position), 0) from event_store"


async def _read(connection: Any, *, after: int, max_events: int, only: Any = None) -> EventRange:
    head = await connection.fetchval(HEAD)
    rows = await connection.fetch(NEXT, after, max_events)
    to = head if len(rows) < max_events else max(row["position"] for row in rows)
    wanted = [row for row in rows if only is None or row["event_type"] in only]
    return EventRange(after, max(after, to), [recorded_event(row) for row in wanted])


def _take_nothing(_self: Inbox, **_where: int) -> list[Any]:
    return []


def _slow(statement: Any) -> Any:
    async def run(*where: Any, **values: Any) -> Any:
        # A slow network between the ids and the commit: other events of this time get newer ids and are committed
        # first, so the bug has an effect in a short run.
        await asyncio.sleep(0.1)
        return await statement(*where, **values)

    return run


def plant() -> None:
    """Let deliveries read the log this way."""
    patch(dispatch, "read", _read)
    patch(Inbox, "take", _take_nothing)
    patch(post.queries, "write_batch", _slow(post.queries.write_batch))


MUTANT = Mutant(
    name="late_commit_skipped",
    explanation=__doc__ or "",
    caught_by=("audit_complete", "days_match_entries"),
    plant=plant,
)
