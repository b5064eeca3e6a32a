"""A logout is stored and written to Redis, but no other worker is notified if Redis is away."""

from collections.abc import Sequence
from typing import Any

from bank.cache.broadcast import InvalidationBroadcast
from bank.cache.values import CacheTag, ValueCache
from bank.identity import log_out
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Disable both ways of notification that do not use Redis."""

    async def mark_session(values: ValueCache, session_id: Any, mark: str) -> None:
        await original_mark(values, session_id, mark)
        if mark.startswith("closed") and await values.session_mark(session_id) is None:
            mark_reached()

    async def send(broadcast: InvalidationBroadcast, tags: Sequence[CacheTag]) -> None:
        await original_send(broadcast, [tag for tag in tags if not tag.key.startswith("session:")])

    original_mark = patch(ValueCache, "mark_session", mark_session, marks_reached=False)
    original_send = patch(InvalidationBroadcast, "send", send, marks_reached=False)
    patch(log_out, "notify_closed_sessions", lambda *_what: None, marks_reached=False)


MUTANT = Mutant(
    name="logout_written_to_redis_only",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    workers=2,
    faults=("redis_unreachable",),
)
