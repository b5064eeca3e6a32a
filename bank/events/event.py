"""The form that every event has."""

from typing import ClassVar
from uuid import UUID

import msgspec


# gc=False: values of values form no cycles, and a million of them would only slow the collector down.
class DomainEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that is now true. Subclasses say what, about which aggregate, and by whom."""

    event_version: ClassVar[int] = 1

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
