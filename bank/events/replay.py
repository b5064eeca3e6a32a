"""Delivering again what has been delivered: to one subscriber, from the log, while the bank runs.

Whoever replays takes the subscriber's lease over. The process that serves it stops at its next move and undoes what it
was doing; new events wait in the log. The subscriber's position stays where it is, and when the replay ends, or dies,
the bank goes on from there within a lease. Up to the position everything has been delivered before, and beyond it
nothing is replayed: so a replay never runs into the live delivery.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import structlog

from bank.background import BackgroundLoop, BackgroundTasks
from bank.cancelling import raise_if_cancelled
from bank.clock import Clock
from bank.database.pool import Database
from bank.errors import BadInput, BankError, Unavailable
from bank.events.delivery import LEASE, RENEW_S
from bank.events.dispatch import DELIVERY_MAX, Dispatcher, LostLease, Subscriber, interrupts
from bank.events.leases import CHANNEL
from bank.events.log import EventRange, queries

logger = structlog.get_logger(__name__)

# What is lost with a crash of the server is replayed again: no need to wait for the disk.
BEGIN_STEP = "begin; set local synchronous_commit = off"

# Called with how far the work is and how far it goes, in positions of the log.
Progress = Callable[[int, int], None]


class Interrupted(Unavailable):
    """The work stopped in the middle, through no fault of an event; the message says how to go on."""


@dataclass(slots=True)
class Replayed:
    """The result of a replay: positions from `since` to `until`, events handled, positions that became dead letters."""

    subscriber: str
    since: int
    until: int
    handled: int = 0
    failed: list[int] = field(default_factory=list)


class Takeover:
    """The lease of a subscriber, held for a purpose other than serving it. `loop` renews it while it is open."""

    def __init__(self, database: Database, subscriber: str, owner: UUID, position: int) -> None:
        self.position = position
        self._database = database
        self._subscriber = subscriber
        self._owner = owner
        self.loop = BackgroundLoop(
            name="takeover",
            run_once=self.run_once,
            interval_s=RENEW_S,
            begins_with_pause=True,
            failure="takeover_not_renewed",
            is_expected=lambda error: isinstance(error, (BankError, LostLease)),
        )

    async def confirm(self, connection: Any) -> None:
        """Renew the lease within a transaction: it commits only while the lease is ours. Raises `LostLease`."""
        held = await queries.renew_takeover(connection, owner=self._owner, lease=LEASE, subscriber=self._subscriber)
        if held is None:
            raise LostLease(self._subscriber)

    async def run_once(self) -> None:
        """Renew the lease. What goes wrong here, `confirm` finds out before anything is committed."""
        async with self._database.connection() as connection:
            await self.confirm(connection)


@asynccontextmanager
async def taken_over(database: Database, subscriber: str, purpose: str) -> AsyncIterator[Takeover]:
    """Hold a subscriber's lease while the block runs. Raises `BadInput` where somebody else has taken it over."""
    owner = uuid4()
    async with database.connection() as connection:
        await queries.register_subscriber(connection, subscriber=subscriber)
        position = await queries.take_over(connection, owner=owner, lease=LEASE, purpose=purpose, subscriber=subscriber)
        if position is None:
            other = await queries.purpose_of_takeover(connection, subscriber=subscriber)
            raise BadInput(f"Somebody else has taken {subscriber} over for a {other}; try again when that has ended.")
    takeover = Takeover(database, subscriber, owner, position)
    tasks = BackgroundTasks()
    tasks.start("takeover", takeover.loop.run())
    try:
        yield takeover
    finally:
        await tasks.cancel()
        async with database.connection() as connection:
            await queries.release_subscribers(connection, owner=owner, subscribers=[subscriber])
            await connection.execute(f"notify {CHANNEL}")


class Replay:
    """Delivers stored events to one subscriber again."""

    def __init__(self, database: Database, subscriber: Subscriber, clock: Clock) -> None:
        self._database = database
        self._subscriber = subscriber
        self._name = subscriber.name
        self._clock = clock
        # Somebody waits for the command; what fails can be redelivered.
        self._dispatcher = Dispatcher(subscriber, clock=clock, random=Random(), attempts_max=1)  # noqa: S311 - jitter

    async def run(self, *, since: int, until: int | None, progress: Progress) -> Replayed:
        """Deliver the events from position `since` to `until`, at most to where the subscriber stands.

        What fails becomes a dead letter. Raises `Interrupted` where something else than an event is at fault.
        """
        async with taken_over(self._database, self._name, "replay") as takeover:
            end = takeover.position if until is None else min(until, takeover.position)
            done = Replayed(self._name, since, end)
            after = since - 1
            with _interruptible(lambda: f"go on with --since {after + 1}"):
                while after < end:
                    async with self._step() as connection:
                        after = await self._replay_range(connection, after, end, done)
                        await takeover.confirm(connection)
                    progress(after - since + 1, end - since + 1)
            return done

    async def redeliver(self, positions: Sequence[int], *, progress: Progress) -> Replayed:
        """Deliver dead letters again, in the order of the log; one that fails again stays one.

        Raises `Interrupted` where something else than an event is at fault.
        """
        async with taken_over(self._database, self._name, "redelivery") as takeover:
            done = Replayed(self._name, min(positions, default=0), max(positions, default=0))
            with _interruptible(lambda: "run this again"):
                for number, position in enumerate(sorted(positions), start=1):
                    async with self._step() as connection:
                        await self._replay_range(connection, position - 1, position, done)
                        if position not in done.failed:
                            await self._resolve(connection, [position])
                        await takeover.confirm(connection)
                    progress(number, len(positions))
            return done

    async def rebuild(self, *, progress: Progress) -> Replayed:
        """Make a projection again from zero, in one transaction: readers see the old rows until all new ones are there.

        What fails becomes a dead letter; what was one and does not fail is none any more. Raises `BadInput` for a
        subscriber that is no projection, `Interrupted` where something else than an event is at fault.
        """
        if self._subscriber.forget is None:
            raise BadInput(f"{self._name} is no projection that could be made again from zero; replay is for it.")
        async with taken_over(self._database, self._name, "rebuild") as takeover:
            done = Replayed(self._name, 1, takeover.position)
            after = 0
            with _interruptible(lambda: "the rows are as they were, run this again"):
                async with self._database.transaction("begin") as connection:
                    await self._subscriber.forget(connection)
                    letters = queries.list_dead_letters(connection, subscriber=self._name, redelivered_too=False)
                    await self._resolve(connection, [row["event_position"] async for row in letters])
                    while after < takeover.position:
                        after = await self._replay_range(connection, after, takeover.position, done)
                        progress(after, takeover.position)
                    await takeover.confirm(connection)
            return done

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Any]:
        """Lend a connection for a few events: in a transaction, except where the effect is outside of the database."""
        outside = self._subscriber.outside
        async with self._database.connection() if outside else self._database.transaction(BEGIN_STEP) as connection:
            yield connection

    async def _resolve(self, connection: Any, positions: list[int]) -> None:
        await queries.redelivered(connection, subscriber=self._name, positions=positions, now=self._clock.now())

    async def _replay_range(self, connection: Any, after: int, end: int, done: Replayed) -> int:
        """Deliver what follows `after`, up to `end` at most; return the position that was reached."""
        event_range = await self._dispatcher.read(connection, after=after, most=min(DELIVERY_MAX, end - after))
        if event_range.events or event_range.unreadable:
            failed = await self._dispatcher.dispatch(event_range, partial(self._scope, connection))
            done.handled += len(event_range.events) - len(failed) if event_range.events else 0
            done.failed += failed
        # A hole in the log, which should not be, is passed over.
        return max(event_range.to, after + 1)

    @asynccontextmanager
    async def _scope(self, connection: Any, _event_range: EventRange, *, transactional: bool) -> AsyncIterator[Any]:
        """Undo what a failure leaves half done, so that the transaction goes on; without one, nothing is undone."""
        if not transactional or self._subscriber.outside:
            yield connection
            return
        await connection.execute("savepoint handling")
        try:
            yield connection
        except Exception:
            await connection.execute("rollback to savepoint handling")
            raise
        await connection.execute("release savepoint handling")


@contextlib.contextmanager
def _interruptible(advice: Callable[[], str]) -> Iterator[None]:
    """Say how to go on after what is no event's fault. Bugs show themselves."""
    try:
        yield
    except Exception as error:
        raise_if_cancelled()
        if not interrupts(error):
            raise
        reason = "The lease was lost" if isinstance(error, LostLease) else str(error).rstrip(".")
        raise Interrupted(f"Interrupted: {reason or type(error).__name__}; {advice()}.") from error
