"""The base class of all events, and an event with its position in the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec


# gc=False: events cannot form reference cycles, and garbage collection would traverse them in vain.
class DomainEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact about the bank. Subclasses define the fact, its aggregate and its user.

    An event has no e-mail address, name or CPF, because it is stored for ever, and a person may demand erasure (R15).
    `aggregate_types` is set by classes whose events have aggregates of several types.
    """

    event_version: ClassVar[int] = 1
    aggregate_types: ClassVar[Sequence[str] | None] = None

    @property
    def aggregate_type(self) -> str:
        """The type of the event's aggregate. Nearly all classes set it as a class attribute."""
        raise NotImplementedError

    @property
    def aggregate_id(self) -> UUID:
        """The id of the event's aggregate."""
        raise NotImplementedError

    @property
    def user_id(self) -> UUID | None:
        """The user who caused the event: `initiated_by` by default; None for an event that no user caused."""
        return getattr(self, "initiated_by", None)


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The origin of an event: the request, its client's address and program.

    `key_digest` is the digest of the row of the request's idempotency key. Only the first event of the request has it.
    """

    correlation_id: str | None = None
    actor_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    key_digest: str | None = None


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its position in the log. Positions are dense and in commit order."""

    position: int
    event: DomainEvent
    metadata: EventMetadata
    created_at: datetime

    @property
    def event_type(self) -> str:
        """The name of the event's class, as stored."""
        return type(self.event).__name__
