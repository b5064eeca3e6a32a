"""Refresh: exchange a refresh token for the next pair of tokens, once (RFC 9700, 4.14.2; decision 0028)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from bank.events.event import EventMetadata
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.sessions import (
    RefreshTokenReusedEvent,
    SessionRefreshedEvent,
    SessionRefreshRepeatedEvent,
)
from bank.events.unit_of_work import UnitOfWork, retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.token_pair import TokenPair, issue_pair, repeat_pair
from bank.identity.tokens import Caller, refresh_token_digest, successor_of
from bank.refusal import Refusal

BAD_REFRESH_TOKEN = Refusal(
    code="INVALID_REFRESH_TOKEN",
    message="The refresh token is unknown, used up or expired; log in again.",
    field=("input", "refreshToken"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The token that a used token was exchanged for. `used_at` is None until it is exchanged itself."""

    used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefreshToken:
    """A refresh token of the bank. `successor` is None if it is not used, or if its successor cannot be derived."""

    expires_at: datetime
    used_at: datetime | None
    session_closed_at: datetime | None
    successor: Successor | None = None


class RefreshDecision(Enum):
    """The decision on a refresh: a new successor, the same one again, a refusal, or the closure of the session."""

    ISSUE = "issue"
    REPEAT = "repeat"
    REFUSE = "refuse"
    CLOSE_SESSION = "close session"


def decide_refresh(token: StoredRefreshToken | None, now: datetime, grace: timedelta) -> RefreshDecision:
    """Decide on a refresh with a token, None for an unknown one.

    A used token comes again for two reasons: the response was lost, or somebody has stolen the token. After a lost
    response, the client repeats its request soon, and does not have the successor. So within the grace period, it gets
    the same successor. If the successor has been used, the response was not lost, and the used token is a stolen one.
    """
    if token is None or token.session_closed_at is not None:
        return RefreshDecision.REFUSE
    if token.used_at is None:
        return RefreshDecision.ISSUE if token.expires_at > now else RefreshDecision.REFUSE
    if now - token.used_at >= grace:
        return RefreshDecision.CLOSE_SESSION
    if token.successor is None:
        # The secret was replaced within the grace period. The client is refused, which is no proof of a theft.
        return RefreshDecision.REFUSE
    return RefreshDecision.REPEAT if token.successor.used_at is None else RefreshDecision.CLOSE_SESSION


@retry_if_rolled_back
async def refresh_session(sessions: Sessions, refresh_token: str) -> TokenPair | Refusal:
    """Exchange a refresh token for the next pair, or close the session of a token that somebody has stolen."""
    secret = sessions.settings.token_secret.get_secret_value()
    digest, successor = refresh_token_digest(refresh_token), successor_of(secret, refresh_token)
    async with sessions.uow_factory.begin() as uow:
        row = await queries.lock_refresh_token(uow.connection, digest=digest)
        token = await _stored_token(uow, row, successor)
        decision = decide_refresh(token, uow.now, sessions.settings.refresh_token_grace)
        match decision:
            case RefreshDecision.ISSUE:
                await queries.use_refresh_token(uow.connection, digest=digest, now=uow.now)
                expires_at = uow.now + sessions.settings.refresh_token_life
                await queries.extend_session(uow.connection, id=row["session_id"], now=uow.now, expires_at=expires_at)
                metadata = await _metadata(sessions, uow, row)
                return await issue_pair(
                    sessions, uow, _caller(row), successor, SessionRefreshedEvent, metadata=metadata
                )
            case RefreshDecision.REPEAT:
                assert token is not None
                assert token.successor is not None
                caller = _caller(row)
                repeated = SessionRefreshRepeatedEvent(session_id=caller.session_id, initiated_by=caller.user_id)
                uow.emit(repeated, await _metadata(sessions, uow, row))
                return repeat_pair(sessions, uow.now, caller, successor, token.successor.expires_at)
            case RefreshDecision.CLOSE_SESSION:
                await queries.close_session(uow.connection, id=row["session_id"], now=uow.now)
                uow.emit(RefreshTokenReusedEvent(session_id=row["session_id"], owner_id=row["user_id"]))
                notify_closed_sessions(uow, [row["session_id"]])
    if decision is RefreshDecision.CLOSE_SESSION:
        await sessions.marks.close([row["session_id"]])
    else:
        await sessions.recorder.record(_refused(row["user_id"] if row else None))
    return BAD_REFRESH_TOKEN


async def _stored_token(uow: UnitOfWork, row: Any, successor: str) -> StoredRefreshToken | None:
    if row is None:
        return None
    found = None
    if row["used_at"] is not None:
        # A statement of its own, after the lock: it sees a use of the successor that committed while this one waited.
        found = await queries.refresh_token_by_digest(uow.connection, digest=refresh_token_digest(successor))
    return StoredRefreshToken(
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        session_closed_at=row["closed_at"],
        successor=Successor(used_at=found["used_at"], expires_at=found["expires_at"]) if found else None,
    )


async def _metadata(sessions: Sessions, uow: UnitOfWork, row: Any) -> EventMetadata:
    """Return the metadata of an event of the owner of the token, whom the request does not name otherwise."""
    return await sessions.uow_factory.origins.metadata(person_id=row["user_id"], connection=uow.connection)


def _caller(row: Any) -> Caller:
    caller = Caller(row["user_id"], row["role"], row["session_id"], step_up_above_minor=row["step_up_above_minor"])
    return caller.with_second_factor(row["second_factor_at"])


def _refused(user_id: UUID | None) -> ActionRefusedEvent:
    return ActionRefusedEvent(
        action="refreshSession",
        code=BAD_REFRESH_TOKEN.code,
        entity_type="User",
        entity_id=user_id,
        initiated_by=user_id,
    )
