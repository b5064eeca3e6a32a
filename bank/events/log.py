"""The event log: events are appended at its head, and read from a position on (S1, R2, R7)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bank.database.statements import load_statements
from bank.events.event import DomainEvent, EventMetadata, RecordedEvent
from bank.events.types.registry import UnknownEvent, decode_event
from bank.identifiers import uuid7

queries = load_statements(__file__)


async def append(
    connection: Any,
    events: Sequence[DomainEvent],
    *,
    now: datetime,
    metadata: Sequence[EventMetadata],
) -> list[RecordedEvent]:
    """Append events to the log in the caller's transaction, as its last statement.

    `metadata` has the origin of each event. Until the commit no other transaction can append, so that nothing slow may
    come in between.
    """
    head = await queries.append_events(
        connection,
        count=len(events),
        now=now,
        ids=[uuid7() for _ in events],
        types=[type(event).__name__ for event in events],
        aggregate_ids=[event.aggregate_id for event in events],
        aggregate_types=[event.aggregate_type for event in events],
        data=[msgspec.json.encode(event).decode() for event in events],
        versions=[event.event_version for event in events],
        user_ids=[event.user_id for event in events],
        metadata=[msgspec.json.encode(one).decode() for one in metadata],
    )
    first = head["position"] - len(events) + 1
    return [
        RecordedEvent(position=position, event=event, metadata=one, created_at=now)
        for position, (event, one) in enumerate(zip(events, metadata, strict=True), start=first)
    ]


class UnreadableEvent(Exception):
    """The event at `position` cannot be decoded as its type and version: it is a poison event for its subscribers."""

    def __init__(self, position: int, reason: Exception) -> None:
        super().__init__(f"the event at position {position} cannot be read: {reason!r}")
        self.position = position


@dataclass(frozen=True, slots=True)
class EventRange:
    """A range of the log: the positions from `after` (excluded) to `to` (included).

    `events` are the events of the range that the subscriber handles, in order. A range of one event that cannot be
    decoded has no events, but its error in `unreadable`.
    """

    after: int
    to: int
    events: Sequence[RecordedEvent]
    unreadable: UnreadableEvent | None = None


async def read(connection: Any, *, after: int, max_events: int, only: Collection[str] | None = None) -> EventRange:
    """Return the range of up to `max_events` positions after `after`, with its events of the types in `only`, or all.

    The range ends before an event that cannot be decoded. If the first event is such, raises `UnknownEvent` for an
    event of a newer version of the bank, and `UnreadableEvent` for an invalid one.
    """
    events: list[RecordedEvent] = []
    to = after
    async for row in queries.read_events(connection, after=after, max_rows=max_events):
        if only is None or row["event_type"] in only:
            try:
                events.append(recorded_event(row))
            except Exception as error:
                if to > after:
                    break
                if isinstance(error, UnknownEvent):
                    raise
                raise UnreadableEvent(row["position"], error) from error
        to = row["position"]
    return EventRange(after, to, events)


def recorded_event(row: Mapping[str, Any]) -> RecordedEvent:
    """Return the event of a row, in the newest version of its type. Raises the errors of `decode_event`."""
    return RecordedEvent(
        position=row["position"],
        event=decode_event(row["event_type"], row["event_version"], row["event_data"]),
        metadata=msgspec.json.decode(row["metadata"], type=EventMetadata),
        created_at=row["created_at"],
    )
