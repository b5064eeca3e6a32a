"""Live delivery: every subscriber gets every event, in order, and its effect happens once (R8, R9, S1).

A subscriber is served by one process at a time, which holds its lease. The handler's effect and the subscriber's
position in the log commit in one transaction. After a crash before the commit, the events are delivered again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog

from bank.background import BackgroundLoop
from bank.backoff import MAX_S, TRANSIENT_MAX_S, pause_s
from bank.clock import Clock
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.events.bus import Bus, Inbox
from bank.events.dispatch import DELIVERY_MAX, Dispatcher, LostLease, Subscriber, is_transient
from bank.events.log import EventRange, queries
from bank.events.types.registry import UnknownEvent
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

# The log is also read this often without a notification, in case one was lost.
POLL_S = 0.25
# A poison event delays the next events by 0.1 + 0.2 + 0.4 + 0.8 s.
ATTEMPTS_MAX = 5
# The subscribers of a crashed process are taken over within LEASE plus RENEW_S: 1.5 s. The goal is 2 s, so that a busy
# machine has 0.5 s more.
LEASE = timedelta(seconds=1.2)
RENEW_S = 0.3
# A handler's statement is planned once for each connection and not for each delivery: planning took 200 of the 350 µs
# of the audit's statement (measured). The plan has to use indexes, because a plan from the first minute of a bank would
# otherwise scan tables that have grown since.
BEGIN_DELIVERY = (
    "begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off; "
    "set local enable_hashjoin = off; set local enable_mergejoin = off"
)
# If the next event is of a newer version of the bank, a process of that version can serve the subscriber. This process
# does not take the lease for this time.
STAND_DOWN_S = 10.0


class Delivery:
    """The delivery to one subscriber: `loop` runs while this process has the lease; `run_once` is one step of it."""

    def __init__(
        self,
        subscriber: Subscriber,
        *,
        database: Database,
        bus: Bus,
        clock: Clock,
        owner: UUID,
        random: Random,
        cipher: PersonalTextCipher,
    ) -> None:
        self.dispatcher = Dispatcher(subscriber, clock=clock, random=random, attempts_max=ATTEMPTS_MAX, cipher=cipher)
        self.position: int | None = None
        self._database = database
        self._owner = owner
        self._random = random
        self._inbox: Inbox = bus.subscribe(subscriber.name)
        self._leased = asyncio.Event()
        self._stand_down_until_s = 0.0
        self.loop = BackgroundLoop(
            name=f"delivery_{subscriber.name}",
            run_once=self._serve,
            interval_s=POLL_S,
            wake_up=self._inbox.has_events,
            ready=self._leased,
            failure="delivery_interrupted",
            is_expected=is_transient,
            retry_s=self._retry_s,
        )

    @property
    def subscriber(self) -> Subscriber:
        """The subscriber of this delivery."""
        return self.dispatcher.subscriber

    @property
    def waiting(self) -> int:
        """The number of events in memory that wait for this subscriber."""
        return len(self._inbox)

    @property
    def stands_down(self) -> bool:
        """Return whether another process should serve the subscriber, because this one cannot read the next event."""
        return perf_counter() < self._stand_down_until_s

    def lease_acquired(self, position: int, *, moved_to: int | None = None) -> None:
        """Deliver from `position` on, the subscriber's position in the database: the lease was obtained or renewed.

        `moved_to` is the position of this delivery before the database was read. If it is higher, a crash of PostgreSQL
        has lost commits that did not wait for the disk, and their events are delivered again.
        """
        if not self._leased.is_set():
            self.position = position
            self._inbox.open()
            self._leased.set()
        elif moved_to is not None and position < moved_to:
            logger.warning("deliveries_undone", subscriber=self.subscriber.name, events=moved_to - position)
            # A running handler was started from the lost position, so that its commit fails with `LostLease`.
            self.position = position
            self._inbox.wake()

    def lease_lost(self) -> None:
        """Stop delivering, because another process has the lease."""
        self.position = None
        self._inbox.close()
        self._leased.clear()

    async def _serve(self) -> bool:
        """Deliver the next events. Stop if another process has the lease, or if a newer version should have it."""
        try:
            return await self.run_once()
        except LostLease:
            self.lease_lost()
        except UnknownEvent as error:
            logger.error("unknown_event", subscriber=self.subscriber.name, error=str(error))  # noqa: TRY400 - the message is enough
            self._stand_down_until_s = perf_counter() + STAND_DOWN_S
            self.lease_lost()
        except Exception:
            metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
            raise
        return True

    def _retry_s(self, failures: int, error: Exception) -> float:
        return pause_s(failures, self._random, max_s=TRANSIENT_MAX_S if is_transient(error) else MAX_S)

    async def run_once(self) -> bool:
        """Deliver the next events of the log; return whether there were any."""
        after = self.position
        assert after is not None
        taken = self._inbox.take(after=after, max_events=DELIVERY_MAX)
        if taken:
            wanted = [(event, moment) for event, moment in taken if self.subscriber.wants(event)]
            event_range = EventRange(after, taken[-1][0].position, [event for event, _ in wanted])
            await self.dispatcher.dispatch(event_range, self.scope, committed=[moment for _, moment in wanted])
            return True
        async with self._database.connection() as connection:
            event_range = await self.dispatcher.read(connection, after=after, max_events=DELIVERY_MAX)
        if event_range.to > after:
            await self.dispatcher.dispatch(event_range, self.scope)
        return event_range.to > after

    @asynccontextmanager
    async def scope(self, event_range: EventRange, *, transactional: bool) -> AsyncIterator[Any]:
        """Yield a connection for a range. The statements on it and the subscriber's position commit together.

        Raises `LostLease` if another process serves the subscriber.
        """
        if self.position != event_range.after:
            raise LostLease(self.subscriber.name)
        database = self._database
        async with database.transaction(BEGIN_DELIVERY) if transactional else database.connection() as connection:
            yield connection
            await self._move(connection, event_range)
        self._moved(event_range)

    async def _move(self, connection: Any, event_range: EventRange) -> None:
        """Move the position. Raises `LostLease`, which rolls back the effect, if another process has the lease."""
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
        # Since the commit, the lease may have been lost and obtained again at another position.
        if self.position == event_range.after:
            self.position = event_range.to
