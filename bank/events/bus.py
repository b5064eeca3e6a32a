"""The in-memory bus: from the commit to the subscribers of this process, at once (S1).

The bus is memory, the log is truth (R8): what does not fit into an inbox, or happened in another process, is read
from the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter

from bank.events.event import RecordedEvent
from bank.telemetry import metrics

# Five seconds of a busy day (400 transfers of 4 events a second). Beyond it memory only repeats what the log holds.
INBOX_MAX = 8_192


class Inbox:
    """The events that wait in memory for one subscriber, and the news that there are more in the log."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[RecordedEvent, float]] = deque(maxlen=INBOX_MAX)
        # Set while there may be more than `take` has found: in memory, or in the log.
        self.news = asyncio.Event()
        self._is_open = False

    def open(self) -> None:
        """Begin to collect: this process serves the subscriber."""
        self._is_open = True
        self.news.set()

    def close(self) -> None:
        """Collect nothing, and forget what is here: another process serves the subscriber."""
        self._is_open = False
        self._waiting.clear()

    def put(self, events: Sequence[RecordedEvent], committed_at: float) -> None:
        """Add events; the oldest fall out of a full inbox and are later read from the log."""
        if not self._is_open:
            return
        self._waiting.extend((event, committed_at) for event in events)
        self.news.set()

    def wake(self) -> None:
        """Say that the log has grown elsewhere."""
        self.news.set()

    def take(self, *, after: int, most: int) -> list[tuple[RecordedEvent, float]]:
        """Take the events that directly follow position `after`, with the moments of their commits.

        Empty where the next event is not in memory; the caller then reads the log.
        """
        self.news.clear()
        while self._waiting and self._waiting[0][0].position <= after:
            self._waiting.popleft()
        taken: list[tuple[RecordedEvent, float]] = []
        while self._waiting and len(taken) < most and self._waiting[0][0].position == after + 1:
            taken.append(self._waiting.popleft())
            after += 1
        if self._waiting:
            self.news.set()
        return taken

    def __len__(self) -> int:
        return len(self._waiting)


class Bus:
    """Hands what has been committed to every inbox of this process, and tells other processes that there is news."""

    def __init__(self) -> None:
        self._inboxes: dict[str, Inbox] = {}
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, subscriber: str) -> Inbox:
        """Return the inbox of a subscriber; it gets what is published from now on."""
        return self._inboxes.setdefault(subscriber, Inbox())

    def on_publish(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each publication."""
        self._listeners.append(listener)

    def publish(self, events: Sequence[RecordedEvent], *, committed_at: float | None = None) -> None:
        """Spread events that have just been committed. `committed_at` is a `perf_counter` reading."""
        moment = perf_counter() if committed_at is None else committed_at
        for inbox in self._inboxes.values():
            inbox.put(events, moment)
        metrics.EVENTS_PUBLISHED.inc(len(events))
        for listener in self._listeners:
            listener()

    def wake(self) -> None:
        """Tell every inbox that another process has appended to the log."""
        for inbox in self._inboxes.values():
            inbox.wake()
