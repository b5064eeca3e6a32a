"""Events about sessions: logins, refreshes, logouts, and attempts that failed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described

REQUESTED, SESSION_LIMIT = "REQUESTED", "SESSION_LIMIT"
"""The reasons why a session was revoked."""


class SessionEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The base class of events in which a user begins, refreshes or ends a session."""

    aggregate_type = "User"

    session_id: Annotated[UUID, described("The session.")]
    initiated_by: Annotated[UUID, described("The user.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.initiated_by


class UserLoggedInEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A user has begun a session.

    The session and its refresh token expire at `expires_at`. `token_digest` is the SHA-256 of the token in hex, which
    cannot be used to log in. Both are None in events from before these fields were added.
    """

    expires_at: Annotated[
        datetime | None,
        described(
            "Until when the session and its refresh token last; absent or null in events from before this field."
        ),
    ] = None
    token_digest: Annotated[
        str | None,
        described(
            "SHA-256 of the refresh token, in hex; absent or null in events from before this field.", pattern=SHA_256
        ),
    ] = None


class LoginFailedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Somebody did not get in.

    If the address belongs to a user, the aggregate is that user. Else `address_digest` is a keyed digest of the
    address, so that equal addresses can be recognised, but not be found out without the bank's secret.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID | None, described("The user whose address was given; null where it is nobody's.")]
    address_digest: Annotated[
        str | None,
        described("Stands for an address that is nobody's; null where it is a user's.", pattern=r"^[0-9a-f]{32}$"),
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The user whose address it was, or the nil UUID."""
        return self.subject_id or UUID(int=0)

    @property
    def user_id(self) -> UUID | None:
        """The user whose address was given; the person who tried is unknown."""
        return self.subject_id


class UserLoggedOutEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A user has ended a session. None of its tokens opens anything any more."""


class SessionRevokedEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A session has ended, because its user has revoked it, or because a login has exceeded the limit of sessions.

    None of its tokens is valid any more.
    """

    reason: Annotated[
        str,
        described(
            "REQUESTED by the user in this or another session, or SESSION_LIMIT: another login has exceeded it.",
            enum=(REQUESTED, SESSION_LIMIT),
        ),
    ]


class SessionRefreshedEvent(UserLoggedInEvent, frozen=True, kw_only=True, gc=False):
    """A session goes on with new tokens. The fields are the same as for the login."""


class SessionRefreshRepeatedEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A used refresh token came again within the grace period, and got the same successor.

    The response to its first use was lost, or several refreshes ran at the same time.
    """


class RefreshTokenReusedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A used refresh token came again after the grace period, or after its successor was used.

    This is taken for theft, and its session is closed.
    """

    aggregate_type = "User"

    session_id: Annotated[UUID, described("The session.")]
    owner_id: Annotated[UUID, described("The user whose session it was.")]

    @property
    def aggregate_id(self) -> UUID:
        """The session's owner."""
        return self.owner_id

    @property
    def user_id(self) -> UUID:
        """The session's owner; the person who used the token is unknown."""
        return self.owner_id
