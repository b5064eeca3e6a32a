"""Closing sessions: what goes with it into the transaction."""

from collections.abc import Sequence
from uuid import UUID

from bank.cache.notices import CHANNEL, notice_of
from bank.cache.session_marks import closures
from bank.events.work import UnitOfWork


def tell_of_closed(uow: UnitOfWork, session_ids: Sequence[UUID]) -> None:
    """Have every process hear of the closures when they are committed, even if this one is killed right after."""
    notices = notice_of(closures(session_ids))

    async def tell(connection: object) -> None:
        for notice in notices:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, notice)  # type: ignore[attr-defined]

    if notices:
        uow.before_commit(tell)
