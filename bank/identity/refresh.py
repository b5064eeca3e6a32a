"""Refresh: exchange a refresh token for the next pair of tokens."""

from uuid import UUID

from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.sessions import RefreshTokenReusedEvent, SessionRefreshedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.token_pair import TokenPair, issue_pair
from bank.identity.tokens import Caller, refresh_token_digest
from bank.refusal import Refusal

BAD_REFRESH_TOKEN = Refusal(
    code="INVALID_REFRESH_TOKEN",
    message="The refresh token is unknown, used up or expired; log in again.",
    field=("input", "refreshToken"),
)


@retry_if_rolled_back
async def refresh_session(sessions: Sessions, refresh_token: str) -> TokenPair | Refusal:
    """Exchange a refresh token for the next pair. If it was used before, it was stolen, and its session closes."""
    digest = refresh_token_digest(refresh_token)
    async with sessions.uow_factory.begin() as uow:
        now = uow.now
        row = await queries.lock_refresh_token(uow.connection, digest=digest)
        if row and row["used_at"] is None and row["closed_at"] is None and row["expires_at"] > now:
            await queries.use_refresh_token(uow.connection, digest=digest, now=now)
            caller = Caller(row["user_id"], row["role"], row["session_id"])
            await queries.extend_session(
                uow.connection, id=caller.session_id, expires_at=now + sessions.settings.refresh_token_life
            )
            return await issue_pair(sessions, uow, caller, SessionRefreshedEvent)
        stolen = row is not None and row["used_at"] is not None and row["closed_at"] is None
        if stolen:
            await queries.close_session(uow.connection, id=row["session_id"], now=now)
            uow.emit(RefreshTokenReusedEvent(session_id=row["session_id"], owner_id=row["user_id"]))
            notify_closed_sessions(uow, [row["session_id"]])
    if stolen:
        await sessions.marks.close(row["session_id"])
    else:
        await sessions.recorder.record(_refused(row["user_id"] if row else None))
    return BAD_REFRESH_TOKEN


def _refused(user_id: UUID | None) -> ActionRefusedEvent:
    return ActionRefusedEvent(
        action="refreshSession",
        code=BAD_REFRESH_TOKEN.code,
        entity_type="User",
        entity_id=user_id,
        initiated_by=user_id,
    )
