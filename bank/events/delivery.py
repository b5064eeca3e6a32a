"""Delivery: every subscriber gets every event, in order, and its effect happens once (rules 8 and 9, spec step 1).

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

from bank.clock import Clock
from bank.database.pool import CONNECTION_LOST, Database, raise_if_cancelled
from bank.errors import Overloaded, Unavailable
from bank.events.bus import Bus, Inbox
from bank.events.log import queries, read
from bank.events.model import DomainEvent, RecordedEvent
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

Handler = Callable[[Any, Sequence[RecordedEvent]], Awaitable[None]]

# One transaction's worth: its fixed cost is spread, and a failure repeats no more than this.
DELIVERY_MAX = 256
# The log is looked at this often even without news, in case a notification was lost.
POLL_S = 0.25
# A poison event costs 0.1 + 0.2 + 0.4 + 0.8 s before the others go on.
ATTEMPTS_MAX = 5
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
# Effect and position are lost together or not at all, and the log has the events: no need to wait for the disk.
BEGIN_DELIVERY = "begin; set local synchronous_commit = off"
# A dead process' subscribers are taken over after LEASE plus at most RENEW: under two seconds.
LEASE = timedelta(seconds=1.5)
RENEW_S = 0.4


class NotNow(Exception):
    """A handler cannot work at present, through no fault of the event: try again, as often as it takes."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A durable name, the events it wants (None: every one), and the handler of a run of them.

    The handler gets a connection and events in log order. The connection is inside the delivery's transaction, so that
    its effect and the position commit together; where the effect is `outside` of the database there is no transaction,
    and the effect must be safe to repeat.
    """

    name: str
    handle: Handler
    events: tuple[type[DomainEvent], ...] | None = None
    outside: bool = False

    def wants(self, recorded: RecordedEvent) -> bool:
        """Whether this subscriber handles such an event."""
        return self.events is None or type(recorded.event) in self.events


class LostLease(Exception):
    """Another process serves this subscriber now."""


class Delivery:
    """Serves one subscriber: `run` is the loop, `run_once` one step of it."""

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
        self._leased = asyncio.Event()
        self._attempt = 0

    @property
    def lag(self) -> int:
        """Events in memory that wait for this subscriber."""
        return len(self._inbox)

    def begin(self, position: int) -> None:
        """Serve from `position` on: the lease has been obtained."""
        if self.position is None:
            self.position = position
            self._inbox.open()
            self._leased.set()

    def end(self) -> None:
        """Stop serving: the lease is somebody else's."""
        self.position = None
        self._inbox.close()
        self._leased.clear()

    async def run(self) -> None:
        """Serve until cancelled. Whatever goes wrong is logged and tried again after a pause."""
        while True:
            try:
                await self._leased.wait()
                if not await self.run_once():
                    await self._inbox.wait(POLL_S)
            except LostLease:
                self.end()
            except Exception as error:  # noqa: BLE001 - a loop that ended would never deliver again (rule 9)
                raise_if_cancelled()
                logger.warning("delivery_interrupted", subscriber=self.subscriber.name, error=repr(error))
                await self._pause(self._attempt)
                self._attempt += 1

    async def run_once(self) -> bool:
        """Deliver what is next in the log; return whether there was anything."""
        assert self.position is not None
        taken = self._inbox.take(after=self.position, most=DELIVERY_MAX)
        if taken:
            await self._deliver_all([event for event, _ in taken], [moment for _, moment in taken])
            return True
        async with self._database.connection() as connection:
            events = await read(connection, after=self.position, most=DELIVERY_MAX)
        if events:
            await self._deliver_all(events, None)
        return bool(events)

    async def _deliver_all(self, events: Sequence[RecordedEvent], committed: Sequence[float] | None) -> None:
        """Deliver a run of events together or, where that fails, one by one, so that only the culprit is put aside."""
        try:
            await self._deliver(events, committed)
        except (*CONNECTION_LOST, LostLease, Overloaded, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises must not stop the delivery (rule 9)
            raise_if_cancelled()
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            logger.warning("delivery_failed", subscriber=self.subscriber.name, events=len(events), error=repr(error))
            for event in events:
                await self._deliver_or_bury(event)
        self._attempt = 0

    async def _deliver_or_bury(self, event: RecordedEvent) -> None:
        attempt = 0
        while True:
            try:
                await self._deliver([event], None)
                return
            except (*CONNECTION_LOST, LostLease, Overloaded, Unavailable):
                raise
            except NotNow as error:
                logger.warning("delivery_postponed", subscriber=self.subscriber.name, error=str(error))
            except Exception as error:  # noqa: BLE001 - as above
                if attempt + 1 >= ATTEMPTS_MAX:
                    await self._bury(event, error, attempts=attempt + 1)
                    return
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            await self._pause(attempt)
            attempt += 1

    async def _deliver(self, events: Sequence[RecordedEvent], committed: Sequence[float] | None) -> None:
        wanted = [event for event in events if self.subscriber.wants(event)]
        if self.subscriber.outside:
            async with self._database.connection() as connection:
                self._observe_latency(events, committed)
                if wanted:
                    await self.subscriber.handle(connection, wanted)
                await self._move(connection, events[-1].position)
        else:
            async with self._database.transaction(BEGIN_DELIVERY) as connection:
                self._observe_latency(events, committed)
                if wanted:
                    await self.subscriber.handle(connection, wanted)
                await self._move(connection, events[-1].position)
        self.position = events[-1].position
        metrics.EVENTS_HANDLED.labels(self.subscriber.name).inc(len(wanted))
        metrics.SUBSCRIBER_LAG.labels(self.subscriber.name).set(self.lag)

    async def _bury(self, event: RecordedEvent, error: Exception, *, attempts: int) -> None:
        logger.error("dead_letter", subscriber=self.subscriber.name, position=event.position, error=repr(error))
        async with self._database.transaction(BEGIN_DELIVERY) as connection:
            await self._move(connection, event.position)
            await queries.bury_event(
                connection, subscriber=self.subscriber.name, position=event.position, error=repr(error),
                attempts=attempts, now=self._clock.now(),
            )  # fmt: skip
        self.position = event.position
        metrics.DEAD_LETTERS.labels(self.subscriber.name).inc()

    async def _move(self, connection: Any, position: int) -> None:
        """Move the position; where the lease is no longer ours, this finds out, and the effect is undone."""
        moved = await queries.move_position(
            connection,
            subscriber=self.subscriber.name,
            owner=self._owner,
            expected=self.position,
            position=position,
        )
        if moved is None:
            raise LostLease(self.subscriber.name)

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

    async def _pause(self, attempt: int) -> None:
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 10))
        await asyncio.sleep(ceiling_s * self._random.uniform(0.5, 1.0))
