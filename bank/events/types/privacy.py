"""Events about the privacy of users: exports and erasures of their data, and deletions after its retention."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described


class PersonalDataExportedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Everything that the bank stores about a user was exported."""

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user whose data was exported.")]
    rows: Annotated[int, described("The number of exported rows.", minimum=0)]
    initiated_by: Annotated[
        UUID | None, described("The user who exported their own data; null for an export by the command line.")
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The user whose data was exported."""
        return self.subject_id


class RetentionAppliedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has deleted data of one rule of its retention that was older than a moment.

    A missing session that ended later than this moment was deleted by hand.
    """

    aggregate_type = "Retention"

    rule: Annotated[str, described("The rule in contracts/retention.toml.")]
    before: Annotated[datetime, described("Data that ended earlier was deleted, or will be soon.")]
    rows: Annotated[int, described("The number of rows that were deleted, or of keys that were destroyed.", minimum=1)]

    @property
    def aggregate_id(self) -> UUID:
        """The nil UUID, because the event is about the data of many persons."""
        return UUID(int=0)


class UserErasedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user is erased: no profile, no key, no open session, and no open account without money."""

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The erased user.")]
    reapplied: Annotated[bool, described("Whether the erasure was repeated after a restore of an older backup.")]
    identity_digest: Annotated[
        str | None,
        described("SHA-256 of the encrypted record of the identity, in hex; null without one.", pattern=SHA_256),
    ]
    keep_until: Annotated[date | None, described("The date on which the record is deleted; null without one.")]
    initiated_by: Annotated[
        UUID | None, described("The user who erased their own data; null for an erasure by the bank.")
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The erased user."""
        return self.subject_id


class IdentityDisclosedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The retained identity of an erased user was read. `reason` is encrypted with the key of the record."""

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The erased user.")]
    reason: Annotated[str, described("The reason, in the words of staff.")]
    initiated_by: Annotated[UUID | None, described("Always null: only the command line discloses an identity.")]

    @property
    def aggregate_id(self) -> UUID:
        """The erased user."""
        return self.subject_id
