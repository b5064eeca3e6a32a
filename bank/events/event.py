"""The form that every event has, in itself and with its place in the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec


# gc=False: values of values form no cycles, and a million of them would only slow the collector down.
class DomainEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that is now true. Subclasses say what, about which aggregate, and by whom.

    An event carries no e-mail address, name or CPF: it is kept for ever, and a person may ask to be forgotten.
    `aggregate_types` is for events that may be about things of more than one kind.
    """

    event_version: ClassVar[int] = 1
    aggregate_types: ClassVar[Sequence[str] | None] = None

    @property
    def aggregate_type(self) -> str:
        """The kind of thing that the event is about; nearly all events set it once for their class."""
        raise NotImplementedError

    @property
    def aggregate_id(self) -> UUID:
        """The thing that the event is about."""
        raise NotImplementedError

    @property
    def user_id(self) -> UUID | None:
        """The person whose doing it was, `initiated_by` where an event says that; None where it was nobody's."""
        return getattr(self, "initiated_by", None)


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The origin of an event: the request, its client's address and program.

    `key_digest` stands for the row of the idempotency key that the request came with; the first event that followed has
    it.
    """

    correlation_id: str | None = None
    actor_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    key_digest: str | None = None


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its place in the log. Positions are dense and in commit order."""

    position: int
    event: DomainEvent
    metadata: EventMetadata
    created_at: datetime

    @property
    def event_type(self) -> str:
        """The event's name, as stored."""
        return type(self.event).__name__
