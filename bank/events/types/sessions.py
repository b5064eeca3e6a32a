"""Events about sessions: logins, refreshes, logouts, and attempts that failed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described

REQUESTED, SESSION_LIMIT = "REQUESTED", "SESSION_LIMIT"
"""The reasons why a session was revoked."""

ACCOUNT, DEVICE, SESSION, SOURCE = "ACCOUNT", "DEVICE", "SESSION", "SOURCE"
"""The kinds of buckets of failed logins: an account, a known device of it, a session, the network of the requests."""

_DIGEST = r"^[0-9a-f]{32}$"


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
    cannot be used to log in. `new_device` says whether the login came without the token of a known device. They are
    None in events from before these fields were added, and `new_device` is None for a refresh as well.
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
    new_device: Annotated[
        bool | None,
        described(
            "Whether the login came without the token of a known device; null for a refresh, and in events from before "
            "this field."
        ),
    ] = None


class LoginFailedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Somebody did not get in.

    If the address belongs to a user, the aggregate is that user. Else `address_digest` is a keyed digest of the
    address, so that equal addresses can be recognised, but not be found out without the bank's secret. `locked` says
    that there were too many failures before, so that nothing was decided about the password.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID | None, described("The user whose address was given; null where it is nobody's.")]
    address_digest: Annotated[
        str | None,
        described("Stands for an address that is nobody's; null where it is a user's.", pattern=_DIGEST),
    ]
    locked: Annotated[
        bool, described("Whether it was refused during a delay, without a decision about the password.")
    ] = False

    @property
    def aggregate_id(self) -> UUID:
        """The user whose address it was, or the nil UUID."""
        return self.subject_id or UUID(int=0)

    @property
    def user_id(self) -> UUID | None:
        """The user whose address was given; the person who tried is unknown."""
        return self.subject_id


class LoginLockedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """There were so many failed logins that further ones are refused until `locked_until`, longer than before.

    `bucket` says for what: for an account from devices that the bank does not know, for one known device of an account,
    for a session that asks for the password again, or for a network, whose address is in the metadata.
    """

    aggregate_type = "User"

    bucket: Annotated[str, described("What the failures are counted for.", enum=(ACCOUNT, DEVICE, SESSION, SOURCE))]
    subject_id: Annotated[
        UUID | None, described("The user whose account it is; null for a network, and where the address is nobody's.")
    ]
    address_digest: Annotated[
        str | None, described("Stands for an address that is nobody's; null otherwise.", pattern=_DIGEST)
    ]
    failures: Annotated[int, described("The failures that are counted.", minimum=1)]
    locked_until: Annotated[datetime, described("The end of the delay.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user whose account it is, or the nil UUID."""
        return self.subject_id or UUID(int=0)

    @property
    def user_id(self) -> UUID | None:
        """The user whose account it is; the person who tried is unknown."""
        return self.subject_id


class LoginUnlockedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The failed logins of an account are forgotten, so that its owner can log in without a delay.

    A member of staff or a command asked for it. As for a failed login, the address may be nobody's.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID | None, described("The user whose account it is; null where the address is nobody's.")]
    address_digest: Annotated[
        str | None, described("Stands for an address that is nobody's; null where it is a user's.", pattern=_DIGEST)
    ]
    initiated_by: Annotated[UUID | None, described("The member of staff who asked; null for a command.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user whose account it is, or the nil UUID."""
        return self.subject_id or UUID(int=0)


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
