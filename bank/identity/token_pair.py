"""The pair of tokens that a login and each refresh issue."""

from dataclasses import dataclass
from datetime import datetime

from bank.events.event import EventMetadata
from bank.events.types.sessions import UserLoggedInEvent
from bank.events.unit_of_work import UnitOfWork
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller, refresh_token_digest


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token, and the refresh token that can be exchanged once for the next pair."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    refresh_token_expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, and the time at which it expires."""

    token: str
    expires_at: datetime


def issue_access_token(sessions: Sessions, now: datetime, caller: Caller) -> AccessToken:
    """Return a new access token for a caller's session."""
    expires_at = now + sessions.settings.access_token_life
    return AccessToken(sessions.tokens.issue(caller, expires_at=expires_at), expires_at)


async def issue_pair(
    sessions: Sessions,
    uow: UnitOfWork,
    caller: Caller,
    refresh_token: str,
    event_type: type[UserLoggedInEvent],
    *,
    metadata: EventMetadata,
    new_device: bool | None = None,
) -> TokenPair:
    """Store a refresh token, return it with an access token, and emit the event of the login or the refresh.

    `new_device` says for a login whether its device was not known.
    """
    digest, expires_at = refresh_token_digest(refresh_token), uow.now + sessions.settings.refresh_token_life
    await queries.insert_refresh_token(
        uow.connection, digest=digest, session_id=caller.session_id, now=uow.now, expires_at=expires_at
    )
    uow.emit(
        event_type(
            session_id=caller.session_id,
            initiated_by=caller.user_id,
            expires_at=expires_at,
            token_digest=digest.hex(),
            new_device=new_device,
        ),
        metadata,
    )
    return repeat_pair(sessions, uow.now, caller, refresh_token, expires_at)


def repeat_pair(
    sessions: Sessions, now: datetime, caller: Caller, refresh_token: str, expires_at: datetime
) -> TokenPair:
    """Return a refresh token that is stored already, with a new access token. `expires_at` is of the refresh token."""
    issued = issue_access_token(sessions, now, caller)
    return TokenPair(
        access_token=issued.token,
        access_token_expires_at=issued.expires_at,
        refresh_token=refresh_token,
        refresh_token_expires_at=expires_at,
    )
