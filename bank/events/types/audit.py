"""Events for the audit that change no state: refusals, and reads by staff."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import described


class ActionRefusedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has refused to do something. `action` is the mutation's name, `code` why.

    The aggregate is the entity if it is known, else the user who asked. Without both it is the nil UUID.
    """

    aggregate_types = ("Account", "Hold", "Transaction", "User")

    action: Annotated[str, described("What was asked for: the mutation's name.")]
    code: Annotated[str, described("Why it was refused: the code of the answer's user error.", pattern=r"^[A-Z_]+$")]
    entity_type: Annotated[str, described("What kind of thing it was to be done to.")]
    entity_id: Annotated[UUID | None, described("That thing; null where it is not known or does not exist.")]
    initiated_by: Annotated[UUID | None, described("The user who asked; null where nobody was logged in.")]

    @property
    def aggregate_type(self) -> str:
        """The entity's type, or `User` if the aggregate is the user who asked."""
        return "User" if self.entity_id is None and self.initiated_by is not None else self.entity_type

    @property
    def aggregate_id(self) -> UUID:
        """The entity, the user who asked, or the nil UUID."""
        return self.entity_id or self.initiated_by or UUID(int=0)


class StaffReadEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Staff has been shown what belongs to somebody else. `query` is the field asked for.

    The aggregate is the entity, or the member of staff if several entities were shown. `owner_id` is the entity's
    owner.
    """

    aggregate_types = ("Account", "Approval", "Transaction", "User", "AuditLog")

    query: Annotated[str, described("The field of the query that was asked for.")]
    entity_type: Annotated[str, described("What kind of thing was shown.")]
    entity_id: Annotated[UUID | None, described("That thing; null where more than one was shown.")]
    owner_id: Annotated[
        UUID | None, described("The user it belongs to; null where it is nobody's, or more than one person's.")
    ]
    initiated_by: Annotated[UUID, described("The member of staff.")]

    @property
    def aggregate_type(self) -> str:
        """The entity's type, or `User` if several entities were shown."""
        return "User" if self.entity_id is None else self.entity_type

    @property
    def aggregate_id(self) -> UUID:
        """The entity, or the member of staff."""
        return self.entity_id or self.initiated_by
