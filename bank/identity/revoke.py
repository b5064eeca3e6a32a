"""Revoke: end one session of the caller, or all others."""

from uuid import UUID

from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.sessions import REQUESTED, SessionRevokedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.closing import close_other_sessions, notify_closed_sessions
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.refusal import Refusal

SESSION_NOT_FOUND = Refusal(code="SESSION_NOT_FOUND", message="You have no such session.", field=("id",))


@retry_if_rolled_back
async def revoke_session(sessions: Sessions, caller: Caller, session_id: UUID | None) -> Refusal | None:
    """End a session of the caller, the current one too. From the return on, all of its tokens are refused.

    A session that has ended already stays as it is. The refusal is the same for a session of somebody else and for one
    that does not exist; `session_id` is None for a text that is not an id.
    """
    async with sessions.uow_factory.begin() as uow:
        found = await queries.lock_session_of(uow.connection, id=session_id, user_id=caller.user_id)
        if found is not None and found["closed_at"] is None:
            await queries.close_session(uow.connection, id=session_id, now=uow.now)
            uow.emit(SessionRevokedEvent(session_id=found["id"], initiated_by=caller.user_id, reason=REQUESTED))
            notify_closed_sessions(uow, [found["id"]])
    if found is None:
        await sessions.recorder.record(
            ActionRefusedEvent(
                action="revokeSession",
                code=SESSION_NOT_FOUND.code,
                entity_type="User",
                entity_id=caller.user_id,
                initiated_by=caller.user_id,
            )
        )
        return SESSION_NOT_FOUND
    # Also for a session that has ended already: a first attempt may have failed here.
    await sessions.marks.close([found["id"]])
    return None


@retry_if_rolled_back
async def revoke_other_sessions(sessions: Sessions, caller: Caller) -> int:
    """End every open session of the caller except for the current one; return their number."""
    async with sessions.uow_factory.begin() as uow:
        await queries.lock_user(uow.connection, id=caller.user_id)
        ended = await close_other_sessions(uow, caller)
    await sessions.marks.close(ended)
    return len(ended)
