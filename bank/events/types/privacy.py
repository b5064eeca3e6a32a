"""Events about the privacy of users: exports of their data."""

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
