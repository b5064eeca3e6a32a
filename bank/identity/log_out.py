"""Log out: close the caller's session."""

from bank.events.types.sessions import UserLoggedOutEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller


@retry_if_rolled_back
async def log_out(sessions: Sessions, caller: Caller) -> None:
    """Close the caller's session. From the return on, all of its tokens are refused."""
    async with sessions.uow_factory.begin() as uow:
        await queries.close_session(uow.connection, id=caller.session_id, now=uow.now)
        uow.emit(UserLoggedOutEvent(session_id=caller.session_id, initiated_by=caller.user_id))
        notify_closed_sessions(uow, [caller.session_id])
    await sessions.marks.close([caller.session_id])
