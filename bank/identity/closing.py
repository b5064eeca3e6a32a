"""Closing of sessions: the time from which on they count, and the notification of all workers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bank.cache.broadcast import CHANNEL, encode_invalidation
from bank.cache.session_marks import CLOCK_SKEW_S, session_tags
from bank.events.types.sessions import REQUESTED, SessionRevokedEvent
from bank.events.unit_of_work import UnitOfWork
from bank.identity.register import queries
from bank.identity.tokens import Caller


def earliest_expiry(now: datetime) -> datetime:
    """Return the time after which an open session expires. By the clock of another worker, it may still be open."""
    return now - timedelta(seconds=CLOCK_SKEW_S)


def notify_closed_sessions(uow: UnitOfWork, session_ids: Sequence[UUID]) -> None:
    """Notify every worker of the closed sessions with the commit, so that a crash right after it loses nothing."""
    payloads = encode_invalidation(session_tags(session_ids))

    async def notify(connection: object) -> None:
        for payload in payloads:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)  # type: ignore[attr-defined]

    if payloads:
        uow.before_commit(notify)


async def close_other_sessions(uow: UnitOfWork, caller: Caller) -> list[UUID]:
    """Close every open session of the caller except for the current one; return them, for the marks after the commit.

    The caller's row must be locked. Without the lock, a login at the same time would begin a session that stays open.
    """
    rows = queries.close_other_sessions(
        uow.connection,
        user_id=caller.user_id,
        id=caller.session_id,
        open_after=earliest_expiry(uow.now),
        now=uow.now,
    )
    ended = [row["id"] async for row in rows]
    for session_id in ended:
        uow.emit(SessionRevokedEvent(session_id=session_id, initiated_by=caller.user_id, reason=REQUESTED))
    notify_closed_sessions(uow, ended)
    return ended
