"""Delivery: every subscriber gets every event, in order, and its effect happens once (R8, R9, S1).

One subscriber is served by one process at a time, which holds its lease. The handler's effect and the subscriber's
position in the log commit in one transaction: what crashes in between is delivered again and has no effect twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog

from bank.background import BackgroundLoop
from bank.backoff import MAX_S, PASSING_MAX_S, pause_s
from bank.cancelling import raise_if_cancelled
from bank.clock import Clock
from bank.database.failures import is_transient as passes
from bank.database.pool import Database
from bank.errors import OutcomeUnknown, Overloaded, Unavailable
from bank.events.bus import Bus, Inbox
from bank.events.event import DomainEvent, RecordedEvent
from bank.events.log import EventRange, Unreadable, queries, read
from bank.events.types.registry import UnknownEvent
from bank.telemetry import metrics
from bank.telemetry.exceptions import describe

logger = structlog.get_logger(__name__)

Handler = Callable[[Any, Sequence[RecordedEvent]], Awaitable[None]]

# One transaction's worth: its fixed cost is spread, and a failure repeats no more than this.
DELIVERY_MAX = 256
# The log is looked at this often even without news, in case a notification was lost.
POLL_S = 0.25
# A poison event costs 0.1 + 0.2 + 0.4 + 0.8 s before the others go on.
ATTEMPTS_MAX = 5
# A handler is a few statements, each of which has a time-out of its own; one that takes longer hangs.
HANDLE_MAX_S = 30.0
# A dead process' subscribers are taken over after LEASE plus at most RENEW: 1.5 s, which leaves a busy machine 0.5 s.
LEASE = timedelta(seconds=1.2)
RENEW_S = 0.3
# Where a newer bank writes events that we do not know, it also serves: as long as this we leave it the subscriber.
STAND_DOWN_S = 10.0


class RetryLater(Exception):
    """A handler cannot work at present, through no fault of the event: try again, as often as it takes."""


class HandlerTimedOut(Exception):
    """A handler did not come back in time."""


def is_transient(error: BaseException) -> bool:
    """Return whether an error will go away by itself: the event is not poison because of it, and is never put aside."""
    return passes(error) or isinstance(error, (RetryLater, Overloaded, Unavailable, OutcomeUnknown))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A durable name, the events it wants (None: every one), and the handler of a run of them.

    The handler gets a connection and events in log order. The connection is inside the delivery's transaction, so that
    its effect and the position commit together; where the effect is `outside` of the database there is no transaction,
    and the effect must be safe to repeat. A projection can also `forget` all it has made, to be made again from zero.
    """

    name: str
    handle: Handler
    events: tuple[type[DomainEvent], ...] | None = None
    outside: bool = False
    forget: Callable[[Any], Awaitable[None]] | None = None

    @property
    def types(self) -> frozenset[str] | None:
        """The names of the event types that this subscriber handles; None for every one."""
        return None if self.events is None else frozenset(event.__name__ for event in self.events)

    def wants(self, recorded: RecordedEvent) -> bool:
        """Return whether this subscriber handles such an event."""
        return self.events is None or type(recorded.event) in self.events


class LostLease(Exception):
    """Another process serves this subscriber now."""


class Delivery:
    """Serves one subscriber: `loop` does so while this process has the lease, `run_once` is one step of it."""

    def __init__(
        self, subscriber: Subscriber, *, database: Database, bus: Bus, clock: Clock, owner: UUID, random: Random
    ) -> None:
        self.subscriber = subscriber
        self.position: int | None = None
        self._database = database
        self._clock = clock
        self._owner = owner
        self._random = random
        self._inbox: Inbox = bus.subscribe(subscriber.name)
        self._types = subscriber.types
        self._leased = asyncio.Event()
        self._stand_down_until_s = 0.0
        self.loop = BackgroundLoop(
            name=f"delivery_{subscriber.name}",
            run_once=self._serve,
            interval_s=POLL_S,
            wake_up=self._inbox.news,
            ready=self._leased,
            failure="delivery_interrupted",
            is_expected=is_transient,
            retry_s=self._retry_s,
        )

    @property
    def waiting(self) -> int:
        """Events in memory that wait for this subscriber."""
        return len(self._inbox)

    @property
    def stands_down(self) -> bool:
        """Return whether another process should serve the subscriber: this one does not know the next event."""
        return perf_counter() < self._stand_down_until_s

    def begin(self, position: int, *, moved_to: int | None = None) -> None:
        """Serve from `position` on, where the database has this subscriber: the lease has been obtained, or renewed.

        `moved_to` is how far this delivery had come before the database was asked. Where that is farther, a crash has
        taken back what did not wait for the disk, and it is delivered again.
        """
        if not self._leased.is_set():
            self.position = position
            self._inbox.open()
            self._leased.set()
        elif moved_to is not None and position < moved_to:
            logger.warning("deliveries_undone", subscriber=self.subscriber.name, events=moved_to - position)
            # What is under way for the position that was lost finds out when it moves, and is undone (`LostLease`).
            self.position = position
            self._inbox.wake()

    def end(self) -> None:
        """Stop serving: the lease is somebody else's."""
        self.position = None
        self._inbox.close()
        self._leased.clear()

    async def _serve(self) -> bool:
        """Deliver what is next; stop serving where another process has the lease, or should have it."""
        try:
            return await self.run_once()
        except LostLease:
            self.end()
        except UnknownEvent as error:
            logger.error("event_of_a_newer_bank", subscriber=self.subscriber.name, error=str(error))  # noqa: TRY400 - the sentence says it
            self._stand_down_until_s = perf_counter() + STAND_DOWN_S
            self.end()
        except Exception:
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            raise
        return True

    def _retry_s(self, failures: int, error: Exception) -> float:
        return pause_s(failures, self._random, max_s=PASSING_MAX_S if is_transient(error) else MAX_S)

    async def run_once(self) -> bool:
        """Deliver what is next in the log; return whether there was anything."""
        after = self.position
        assert after is not None
        taken = self._inbox.take(after=after, most=DELIVERY_MAX)
        if taken:
            wanted = [(event, moment) for event, moment in taken if self.subscriber.wants(event)]
            event_range = EventRange(after, taken[-1][0].position, [event for event, _ in wanted])
            await self._deliver_all(event_range, [moment for _, moment in wanted])
            return True
        try:
            async with self._database.connection() as connection:
                event_range = await read(connection, after=after, most=DELIVERY_MAX, only=self._types)
        except Unreadable as error:
            await self._dead_letter(EventRange(after, error.position, ()), error, attempts=1)
            return True
        if event_range.to > after:
            await self._deliver_all(event_range, None)
        return event_range.to > after

    async def _deliver_all(self, event_range: EventRange, committed: Sequence[float] | None) -> None:
        """Deliver a range at once or, if that fails, event by event, so that only the culprit becomes a dead letter."""
        try:
            await self._deliver(event_range, committed)
        except LostLease:
            raise
        except Exception as error:
            raise_if_cancelled()
            if is_transient(error):
                raise
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            count, name = len(event_range.events), self.subscriber.name
            logger.warning("delivery_failed", subscriber=name, events=count, error=error)
            after = event_range.after
            for event in event_range.events:
                await self._deliver_one(EventRange(after, event.position, [event]))
                after = event.position
            if after < event_range.to:
                await self._deliver(EventRange(after, event_range.to, ()), None)

    async def _deliver_one(self, one: EventRange) -> None:
        attempt = 0
        while True:
            if self.position != one.after:
                raise LostLease(self.subscriber.name)
            try:
                await self._deliver(one, None)
                return
            except LostLease:
                raise
            except Exception as error:
                raise_if_cancelled()
                if is_transient(error):
                    raise
                if attempt + 1 >= ATTEMPTS_MAX:
                    await self._dead_letter(one, error, attempts=attempt + 1)
                    return
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            await asyncio.sleep(pause_s(attempt, self._random, max_s=MAX_S))
            attempt += 1

    async def _deliver(self, event_range: EventRange, committed: Sequence[float] | None) -> None:
        if self.subscriber.outside:
            async with self._database.connection() as connection:
                await self._handle(connection, event_range.events, committed)
                await self._move(connection, event_range)
        else:
            async with self._database.transaction("begin") as connection:
                await self._handle(connection, event_range.events, committed)
                await self._move(connection, event_range)
        self._moved(event_range)
        metrics.EVENTS_HANDLED.labels(self.subscriber.name).inc(len(event_range.events))

    async def _handle(
        self, connection: Any, events: Sequence[RecordedEvent], committed: Sequence[float] | None
    ) -> None:
        if not events:
            return
        self._observe_latency(events, committed)
        try:
            async with asyncio.timeout(HANDLE_MAX_S) as bound:
                await self.subscriber.handle(connection, events)
        except TimeoutError as error:
            if bound.expired():
                raise HandlerTimedOut(f"{self.subscriber.name} did not come back within {HANDLE_MAX_S} s") from error
            raise

    async def _dead_letter(self, one: EventRange, error: Exception, *, attempts: int) -> None:
        logger.error("dead_letter", subscriber=self.subscriber.name, position=one.to, error=error)
        async with self._database.transaction("begin") as connection:
            await self._move(connection, one)
            await queries.insert_dead_letter(
                connection, subscriber=self.subscriber.name, position=one.to, error=describe(error),
                attempts=attempts, now=self._clock.now(),
            )  # fmt: skip
        self._moved(one)
        metrics.DEAD_LETTERS.labels(self.subscriber.name).inc()

    async def _move(self, connection: Any, event_range: EventRange) -> None:
        """Move the position; where the lease is no longer ours, this finds out, and the effect is undone."""
        moved = await queries.move_position(
            connection,
            subscriber=self.subscriber.name,
            owner=self._owner,
            expected=event_range.after,
            position=event_range.to,
        )
        if moved is None:
            raise LostLease(self.subscriber.name)

    def _moved(self, event_range: EventRange) -> None:
        # The lease may have been lost, and obtained again at another position, since the commit.
        if self.position == event_range.after:
            self.position = event_range.to

    def _observe_latency(self, events: Sequence[RecordedEvent], committed: Sequence[float] | None) -> None:
        if committed is not None:
            started = perf_counter()
            observe = metrics.EVENT_LATENCY_SECONDS.labels(self.subscriber.name, "memory").observe
            for moment in committed:
                observe(started - moment)
        else:
            now = self._clock.now()
            observe = metrics.EVENT_LATENCY_SECONDS.labels(self.subscriber.name, "log").observe
            for event in events:
                observe(max(0.0, (now - event.created_at).total_seconds()))
