"""Events about people: registrations, logins, sessions, roles."""

from datetime import datetime
from uuid import UUID

from bank.events.event import DomainEvent


class UserRegisteredEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """There is a new user.

    `profile_digest` stands for who they are and the hash of their password. It is salted with what the user's row
    keeps, so that erasing the row leaves nothing to compare names with; None in events from before there was one.
    """

    aggregate_type = "User"

    id: UUID
    role: str
    profile_digest: str | None = None

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.id

    @property
    def user_id(self) -> UUID:
        """The new user, by their own doing."""
        return self.id


class SessionEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Something that a user has done with a session."""

    aggregate_type = "User"

    session_id: UUID
    initiated_by: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.initiated_by


class UserLoggedInEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A user has begun a session.

    It lasts until `expires_at`, and so does the refresh token of which `token_digest` is the SHA-256 in hex: whoever
    knows the digest can open nothing. Both are None in events from before they were told.
    """

    expires_at: datetime | None = None
    token_digest: str | None = None


class LoginFailedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Somebody did not get in.

    Where the address is a user's, it is about that user; else `address_digest` stands for the address: the same for the
    same address, and without the bank's secret nothing leads back to it.
    """

    aggregate_type = "User"

    subject_id: UUID | None
    address_digest: str | None

    @property
    def aggregate_id(self) -> UUID:
        """The user whose address it was, or the nil UUID."""
        return self.subject_id or UUID(int=0)

    @property
    def user_id(self) -> UUID | None:
        """The user whose address it was: who it was, nobody knows."""
        return self.subject_id


class UserLoggedOutEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A user has ended a session: none of its tokens opens anything any more."""


class SessionRefreshedEvent(UserLoggedInEvent, frozen=True, kw_only=True, gc=False):
    """A session goes on with new tokens; until when and with which, as for the login."""


class RefreshTokenReusedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A refresh token came a second time, which is taken for theft: its session is closed."""

    aggregate_type = "User"

    session_id: UUID
    owner_id: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The session's owner."""
        return self.owner_id

    @property
    def user_id(self) -> UUID:
        """The session's owner: who it was, nobody knows."""
        return self.owner_id


class UserRoleChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user has another role. Nobody who was logged in to the bank did it."""

    aggregate_type = "User"

    subject_id: UUID
    old_role: str
    new_role: str

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id
