"""The in-memory bus: it passes committed events to the subscribers of this process at once (S1).

The bus is memory, the log is truth (R8): events that do not fit into an inbox, or that another process has committed,
are read from the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter

from bank.events.event import RecordedEvent
from bank.telemetry import metrics

# Five seconds of a busy day: 400 transfers of 4 events a second. More events can be read from the log.
INBOX_MAX = 8_192


class Inbox:
    """The events that wait in memory for one subscriber, and a signal that there may be more in the log."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[RecordedEvent, float]] = deque(maxlen=INBOX_MAX)
        # Set while there may be events that `take` has not returned: in memory, or in the log.
        self.has_events = asyncio.Event()
        self._is_open = False

    def open(self) -> None:
        """Start collecting events, because this process serves the subscriber."""
        self._is_open = True
        self.has_events.set()

    def close(self) -> None:
        """Stop collecting, and drop the waiting events, because another process serves the subscriber."""
        self._is_open = False
        self._waiting.clear()

    def put(self, events: Sequence[RecordedEvent], committed_at: float) -> None:
        """Add events. A full inbox drops its oldest events, which are later read from the log."""
        if not self._is_open:
            return
        self._waiting.extend((event, committed_at) for event in events)
        self.has_events.set()

    def wake(self) -> None:
        """Signal that another process has appended to the log."""
        self.has_events.set()

    def take(self, *, after: int, max_events: int) -> list[tuple[RecordedEvent, float]]:
        """Remove and return the events that directly follow position `after`, with the times of their commits.

        The list is empty if the next event is not in memory; then the caller reads the log.
        """
        self.has_events.clear()
        while self._waiting and self._waiting[0][0].position <= after:
            self._waiting.popleft()
        taken: list[tuple[RecordedEvent, float]] = []
        while self._waiting and len(taken) < max_events and self._waiting[0][0].position == after + 1:
            taken.append(self._waiting.popleft())
            after += 1
        if self._waiting:
            self.has_events.set()
        return taken

    def __len__(self) -> int:
        return len(self._waiting)


class Bus:
    """The bus of this process: it adds committed events to every inbox, and calls the listeners."""

    def __init__(self) -> None:
        self._inboxes: dict[str, Inbox] = {}
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, subscriber: str) -> Inbox:
        """Return the inbox of a subscriber, which gets all events that are published from now on."""
        return self._inboxes.setdefault(subscriber, Inbox())

    def on_publish(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each publication."""
        self._listeners.append(listener)

    def publish(self, events: Sequence[RecordedEvent], *, committed_at: float | None = None) -> None:
        """Publish events that have just been committed. `committed_at` is a time of `perf_counter`."""
        moment = perf_counter() if committed_at is None else committed_at
        for inbox in self._inboxes.values():
            inbox.put(events, moment)
        metrics.EVENTS_PUBLISHED.inc(len(events))
        for listener in self._listeners:
            listener()

    def wake(self) -> None:
        """Signal every inbox that another process has appended to the log."""
        for inbox in self._inboxes.values():
            inbox.wake()
