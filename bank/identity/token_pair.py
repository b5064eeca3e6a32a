"""The pair of tokens that a login and each refresh issue."""

from dataclasses import dataclass
from datetime import datetime

from bank.events.types.sessions import UserLoggedInEvent
from bank.events.unit_of_work import UnitOfWork
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller, new_refresh_token, refresh_token_digest


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token, and the refresh token that can be exchanged once for the next pair."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    refresh_token_expires_at: datetime


async def issue_pair(
    sessions: Sessions, uow: UnitOfWork, caller: Caller, event_type: type[UserLoggedInEvent]
) -> TokenPair:
    """Issue the next pair of tokens, and emit the event of the login or the refresh."""
    refresh_token, now, settings = new_refresh_token(), uow.now, sessions.settings
    digest = refresh_token_digest(refresh_token)
    pair = TokenPair(
        access_token=sessions.tokens.issue(caller, expires_at=now + settings.access_token_life),
        access_token_expires_at=now + settings.access_token_life,
        refresh_token=refresh_token,
        refresh_token_expires_at=now + settings.refresh_token_life,
    )
    await queries.insert_refresh_token(
        uow.connection,
        digest=digest,
        session_id=caller.session_id,
        now=now,
        expires_at=pair.refresh_token_expires_at,
    )
    uow.emit(
        event_type(
            session_id=caller.session_id,
            initiated_by=caller.user_id,
            expires_at=pair.refresh_token_expires_at,
            token_digest=digest.hex(),
        )
    )
    return pair
