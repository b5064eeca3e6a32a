"""Events about users: registrations, profiles and roles."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described

ROLES = ("CUSTOMER", "OPERATOR", "ADMIN")
PROFILE_CHANGES = ("ENCRYPTION", "EMAIL", "PHONE", "PASSWORD", "REHASH")


class UserRegisteredEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """There is a new user.

    `profile_digest` is a digest of the profile and the password hash as they are stored. Its salt is in the user's row,
    so that after the erasure of the row names cannot be compared with it. It is None in events from before this field.
    In events from before migration 0014, it is a digest of plain values, and a `UserProfileChangedEvent` follows.
    """

    aggregate_type = "User"

    id: Annotated[UUID, described("The user.")]
    role: Annotated[str, described("The role from the beginning.", enum=ROLES)]
    profile_digest: Annotated[
        str | None,
        described(
            "Salted SHA-256 of who the user is and of the password's hash, in hex; "
            "absent or null in events from before this field.",
            pattern=SHA_256,
        ),
    ] = None

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.id

    @property
    def user_id(self) -> UUID:
        """The new user, who registers themselves."""
        return self.id


class UserProfileChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The stored profile of a user, or the hash of the password, has changed.

    `change` ENCRYPTION is migration 0014, which has encrypted the profiles; no user caused it. REHASH is the same
    password, hashed with newer parameters at a login. `old_email` is the address before the change EMAIL, so that its
    reader is notified too.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user.")]
    change: Annotated[str, described("The change.", enum=PROFILE_CHANGES)]
    profile_digest: Annotated[
        str,
        described(
            "Salted SHA-256 of who the user is and of the password's hash, from now on, in hex.", pattern=SHA_256
        ),
    ]
    initiated_by: Annotated[UUID | None, described("The user who made the change; null if it was no user.")] = None
    old_email: Annotated[
        str | None, described("The e-mail address before the change, encrypted; absent or null for other changes.")
    ] = None

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id


class PasswordChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user has chosen another password. A `UserProfileChangedEvent` with the new digest precedes it."""

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user.")]
    ended_sessions: Annotated[int, described("The number of other sessions that ended with the change.", minimum=0)]
    initiated_by: Annotated[UUID, described("The user who made the change.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id


class UserRoleChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user has another role. `initiated_by` is the administrator who asked for it.

    Another administrator has approved it. It is None for a change on the command line, and in older events.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user.")]
    old_role: Annotated[str, described("The role before.", enum=ROLES)]
    new_role: Annotated[str, described("The role from now on.", enum=ROLES)]
    initiated_by: Annotated[
        UUID | None, described("The administrator who asked for it; null for the command line and in older events.")
    ] = None

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id
