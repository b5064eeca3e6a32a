"""Events about the privacy of users: exports of their data, and deletions after its retention."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import described


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
