"""The core of delivery: it passes ranges of the log to a subscriber's handler, and isolates a failing event (R8, R9).

Live delivery and replay share it. They differ in the scope of an effect: a transaction with the subscriber's position,
or a savepoint in the transaction of a replay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Any, Protocol

import structlog

from bank.backoff import MAX_S, pause_s
from bank.cancelling import raise_if_cancelled
from bank.clock import Clock
from bank.database.failures import is_transient as is_transient_in_database
from bank.encryption.cipher import PersonalTextCipher
from bank.errors import OutcomeUnknown, Overloaded, Unavailable
from bank.events.event import DomainEvent, RecordedEvent
from bank.events.log import EventRange, UnreadableEvent, queries, read
from bank.events.types.registry import UnknownEvent
from bank.telemetry import metrics
from bank.telemetry.exceptions import describe

logger = structlog.get_logger(__name__)

Handler = Callable[[Any, Sequence[RecordedEvent]], Awaitable[None]]

# The events of one transaction: enough to share its fixed cost, and not too many to repeat after a failure.
DELIVERY_MAX = 256
# A handler runs a few statements, each with its own time-out. A handler that takes longer than this hangs.
HANDLE_MAX_S = 30.0


class RetryLater(Exception):
    """A handler cannot work at present, for a reason outside of the event. It is retried without a limit."""


class HandlerTimedOut(Exception):
    """A handler did not return before its time-out."""


class LostLease(Exception):
    """Another process serves this subscriber now."""


def is_transient(error: BaseException) -> bool:
    """Return whether an error is transient, so that the event is retried and does not become a dead letter."""
    return is_transient_in_database(error) or isinstance(error, (RetryLater, Overloaded, Unavailable, OutcomeUnknown))


def interrupts(error: BaseException) -> bool:
    """Return whether the cause of an error is not the event, so that the next event would fail too."""
    return is_transient(error) or isinstance(error, (LostLease, UnknownEvent))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A durable name, the types of events that it handles (None: all), and the handler.

    The handler gets a connection and events in log order. The connection is in the transaction of the delivery, so that
    the effect and the position commit together. An `external_effect` is outside of the database and has no transaction,
    so it must be safe to repeat. `reset` deletes all rows of a projection, so that it can be rebuilt. `needs` returns
    False for an event for which the handler would do nothing, so that a range without others needs no transaction.
    """

    name: str
    handle: Handler
    events: tuple[type[DomainEvent], ...] | None = None
    external_effect: bool = False
    reset: Callable[[Any], Awaitable[None]] | None = None
    needs: Callable[[DomainEvent], bool] | None = None

    @property
    def types(self) -> frozenset[str] | None:
        """The names of the event types that this subscriber handles; None for all."""
        return None if self.events is None else frozenset(event.__name__ for event in self.events)

    def wants(self, recorded: RecordedEvent) -> bool:
        """Return whether this subscriber handles an event."""
        if self.events is not None and type(recorded.event) not in self.events:
            return False
        return self.needs is None or self.needs(recorded.event)


class Scope(Protocol):
    """A function that opens the scope of a range, which yields a connection for the effect of the handler.

    If the block raises an error, the effect is rolled back. Without `transactional` there is no rollback, since the
    effect is outside of the database.
    """

    def __call__(self, event_range: EventRange, *, transactional: bool) -> AbstractAsyncContextManager[Any]:
        """Return the scope. Raises `LostLease` if another process serves the subscriber now."""


class Dispatcher:
    """The dispatcher of one subscriber: it passes ranges of the log to the handler.

    An event is tried `attempts_max` times, with growing pauses, before it becomes a dead letter.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        *,
        clock: Clock,
        random: Random,
        attempts_max: int,
        cipher: PersonalTextCipher,
    ) -> None:
        self.subscriber = subscriber
        self._cipher = cipher
        self._types = subscriber.types
        self._clock = clock
        self._random = random
        self._attempts_max = attempts_max

    async def read(self, connection: Any, *, after: int, max_events: int) -> EventRange:
        """Return the range of the log after a position. An event that cannot be decoded is a range of its own.

        Raises `UnknownEvent` if a newer version of the bank has written the next event.
        """
        try:
            return await read(connection, after=after, max_events=max_events, only=self._types)
        except UnreadableEvent as error:
            return EventRange(after, error.position, (), unreadable=error)

    async def dispatch(
        self, event_range: EventRange, scope: Scope, *, committed: Sequence[float] | None = None
    ) -> list[int]:
        """Handle a range at once. If that fails, handle its events one by one, so that only a poison event fails.

        Return the positions of the events that became dead letters. `committed` has the times of the events' commits,
        if they come from the bus. Raises errors whose cause is not an event.
        """
        if event_range.unreadable is not None:
            await self._dead_letter(event_range, event_range.unreadable, scope, attempts=1)
            return [event_range.to]
        try:
            await self.handle(event_range, scope, committed)
        except Exception as error:
            raise_if_cancelled()
            if interrupts(error):
                raise
            return await self._isolate(event_range, error, scope)
        return []

    async def _isolate(self, event_range: EventRange, error: Exception, scope: Scope) -> list[int]:
        """Handle the events of a failed range one by one; return the positions of those that became dead letters."""
        name, count = self.subscriber.name, len(event_range.events)
        logger.warning("delivery_failed", subscriber=name, events=count, error=error)
        metrics.EVENT_RETRIES.labels(name).inc()
        dead, after = [], event_range.after
        for event in event_range.events:
            one = EventRange(after, event.position, [event])
            # For a range of one event, its failure was the first attempt.
            if not await self._retry(one, error if count == 1 else None, scope):
                dead.append(event.position)
            after = event.position
        if after < event_range.to:
            await self.handle(EventRange(after, event_range.to, ()), scope)
        return dead

    async def _retry(self, one: EventRange, failure: Exception | None, scope: Scope) -> bool:
        """Try one event up to its last attempt; return whether it was handled. `failure` is the first attempt's."""
        attempts = 0 if failure is None else 1
        while failure is None or attempts < self._attempts_max:
            if failure is not None:
                metrics.EVENT_RETRIES.labels(self.subscriber.name).inc()
                await asyncio.sleep(pause_s(attempts - 1, self._random, max_s=MAX_S))
            try:
                await self.handle(one, scope)
            except Exception as error:
                raise_if_cancelled()
                if interrupts(error):
                    raise
                failure, attempts = error, attempts + 1
            else:
                return True
        await self._dead_letter(one, failure, scope, attempts=attempts)
        return False

    async def handle(self, event_range: EventRange, scope: Scope, committed: Sequence[float] | None = None) -> None:
        """Handle a range once, in a scope of its own."""
        events = event_range.events
        # Without events there is no effect to commit with the position, which is then a statement of its own.
        transactional = bool(events) and not self.subscriber.external_effect
        async with scope(event_range, transactional=transactional) as connection:
            if events:
                self._observe_latency(events, committed)
                await self._call_handler(connection, events)
        metrics.EVENTS_HANDLED.labels(self.subscriber.name).inc(len(events))

    async def _call_handler(self, connection: Any, events: Sequence[RecordedEvent]) -> None:
        try:
            async with asyncio.timeout(HANDLE_MAX_S) as bound:
                await self.subscriber.handle(connection, events)
        except TimeoutError as error:
            if bound.expired():
                raise HandlerTimedOut(f"{self.subscriber.name} did not return within {HANDLE_MAX_S} s") from error
            raise

    async def _dead_letter(self, one: EventRange, error: Exception, scope: Scope, *, attempts: int) -> None:
        logger.error("dead_letter", subscriber=self.subscriber.name, position=one.to, error=error)
        person_id = one.events[0].event.user_id if one.events else None
        async with scope(one, transactional=True) as connection:
            # The text of an error may quote what the handler has read about the person (R15).
            text = await self._cipher.encrypt(describe(error), person_id, connection)
            await queries.insert_dead_letter(
                connection,
                subscriber=self.subscriber.name,
                position=one.to,
                error=text,
                attempts=attempts,
                now=self._clock.now(),
            )
        metrics.DEAD_LETTERS.labels(self.subscriber.name).inc()

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
