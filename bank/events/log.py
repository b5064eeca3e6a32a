"""The event store: append at the head, read from a position (S1, R2, R7)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bank.database.statements import load_statements
from bank.events.event import DomainEvent, EventMetadata, RecordedEvent
from bank.events.types.registry import UnknownEvent, decode_event
from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, current_context

queries = load_statements(__file__)


def metadata_of(context: RequestContext | None) -> EventMetadata:
    """Return what an event keeps of the request that caused it."""
    if context is None:
        return EventMetadata()
    return EventMetadata(
        correlation_id=context.correlation_id,
        actor_id=context.actor_id,
        ip_address=context.ip_address,
        user_agent=context.user_agent,
    )


async def append(
    connection: Any,
    events: Sequence[DomainEvent],
    *,
    now: datetime,
    metadata: Sequence[EventMetadata] | None = None,
) -> list[RecordedEvent]:
    """Put events at the end of the log, within the caller's transaction, as its last statement.

    `metadata` says where each event came from; without it, all came from the request at hand. From here to the commit
    nobody else can append, so nothing slow may come in between.
    """
    if metadata is None:
        metadata = [metadata_of(current_context())] * len(events)
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


class Unreadable(Exception):
    """The event at `position` is not what its type and version say: it is poison for whoever wants it."""

    def __init__(self, position: int, reason: Exception) -> None:
        super().__init__(f"the event at position {position} cannot be read: {reason!r}")
        self.position = position


@dataclass(frozen=True, slots=True)
class EventRange:
    """A part of the log without a gap: what follows position `after`, up to and with position `to`.

    `events` are those of it that somebody wants, in order. There are none where the range is one event that cannot be
    read; `unreadable` says why.
    """

    after: int
    to: int
    events: Sequence[RecordedEvent]
    unreadable: Unreadable | None = None


async def read(connection: Any, *, after: int, most: int, only: Collection[str] | None = None) -> EventRange:
    """Return what follows position `after`, up to `most` events; of these the types in `only`, or all.

    Ends before an event that cannot be read. Where the first is one, raises `UnknownEvent` for one that a newer bank
    has written and `Unreadable` for one that is broken.
    """
    events: list[RecordedEvent] = []
    to = after
    async for row in queries.read_events(connection, after=after, most=most):
        if only is None or row["event_type"] in only:
            try:
                events.append(recorded_event(row))
            except Exception as error:
                if to > after:
                    break
                if isinstance(error, UnknownEvent):
                    raise
                raise Unreadable(row["position"], error) from error
        to = row["position"]
    return EventRange(after, to, events)


def recorded_event(row: Mapping[str, Any]) -> RecordedEvent:
    """Make an event of a row of the store, as the newest version tells it. Raises what `decode_event` raises."""
    return RecordedEvent(
        position=row["position"],
        event=decode_event(row["event_type"], row["event_version"], row["event_data"]),
        metadata=msgspec.json.decode(row["metadata"], type=EventMetadata),
        created_at=row["created_at"],
    )
