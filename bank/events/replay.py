"""Replay: the repeated delivery of events from the log to one subscriber, while the bank runs.

A replay takes over the subscriber's lease (decision 0015). The process that serves the subscriber fails at its next
move of the position, and rolls back; new events wait in the log. The subscriber's position does not change. When the
replay ends or crashes, the bank continues from the position within the time of a lease. A replay never goes beyond the
position, so that it never overlaps with live delivery.
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
from bank.encryption.cipher import PersonalTextCipher
from bank.errors import BadInput, BankError, Unavailable
from bank.events.delivery import LEASE, RENEW_S
from bank.events.dispatch import DELIVERY_MAX, Dispatcher, LostLease, Subscriber, interrupts
from bank.events.leases import CHANNEL
from bank.events.log import EventRange, queries

logger = structlog.get_logger(__name__)

# A commit need not wait for the disk, because after a crash of PostgreSQL the replay can be repeated.
BEGIN_STEP = "begin; set local synchronous_commit = off"

# Called with the number of finished positions and the number of all positions.
Progress = Callable[[int, int], None]


class Interrupted(Unavailable):
    """A replay was interrupted for a reason outside of the events; the message says how to continue."""


@dataclass(slots=True)
class ReplayResult:
    """The result of a replay of the positions from `since` to `until`.

    `handled` is the number of handled events; `failed` are the positions of the new dead letters.
    """

    subscriber: str
    since: int
    until: int
    handled: int = 0
    failed: list[int] = field(default_factory=list)


class Takeover:
    """The lease of a subscriber that a replay has taken over. `loop` renews it."""

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
        """Renew the lease in a transaction, so that it commits only with the lease. Raises `LostLease`."""
        held = await queries.renew_takeover(connection, owner=self._owner, lease=LEASE, subscriber=self._subscriber)
        if held is None:
            raise LostLease(self._subscriber)

    async def run_once(self) -> None:
        """Renew the lease. After a failure, `confirm` raises `LostLease` before anything is committed."""
        async with self._database.connection() as connection:
            await self.confirm(connection)


@asynccontextmanager
async def taken_over(database: Database, subscriber: str, purpose: str) -> AsyncIterator[Takeover]:
    """Hold a subscriber's lease during the block. Raises `BadInput` if another command has taken it over."""
    owner = uuid4()
    async with database.connection() as connection:
        await queries.register_subscriber(connection, subscriber=subscriber)
        position = await queries.take_over(connection, owner=owner, lease=LEASE, purpose=purpose, subscriber=subscriber)
        if position is None:
            other = await queries.purpose_of_takeover(connection, subscriber=subscriber)
            raise BadInput(f"A {other} of {subscriber} is running; try again when it has ended.")
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
    """The repeated delivery of stored events to one subscriber."""

    def __init__(self, database: Database, subscriber: Subscriber, clock: Clock, cipher: PersonalTextCipher) -> None:
        self._database = database
        self._subscriber = subscriber
        self._name = subscriber.name
        self._clock = clock
        # One attempt only, since a person waits for the command, and failed events can be redelivered.
        random = Random()  # noqa: S311 - jitter, no secret
        self._dispatcher = Dispatcher(subscriber, clock=clock, random=random, attempts_max=1, cipher=cipher)

    async def run(self, *, since: int, until: int | None, progress: Progress) -> ReplayResult:
        """Deliver the events from position `since` to `until`, or to the subscriber's position if that is lower.

        An event that fails becomes a dead letter. Raises `Interrupted` for an error whose cause is not an event.
        """
        async with taken_over(self._database, self._name, "replay") as takeover:
            end = takeover.position if until is None else min(until, takeover.position)
            done = ReplayResult(self._name, since, end)
            after = since - 1
            with _interruptible(lambda: f"go on with --since {after + 1}"):
                while after < end:
                    async with self._step() as connection:
                        reached = await self._replay_range(connection, after, end, done)
                        await takeover.confirm(connection)
                    after = reached  # only now: after a failed commit, the advice must not skip these events
                    progress(after - since + 1, end - since + 1)
            return done

    async def redeliver(self, positions: Sequence[int], *, progress: Progress) -> ReplayResult:
        """Deliver dead letters again, in the order of the log. An event that fails again stays a dead letter.

        Raises `Interrupted` for an error whose cause is not an event.
        """
        async with taken_over(self._database, self._name, "redelivery") as takeover:
            done = ReplayResult(self._name, min(positions, default=0), max(positions, default=0))
            with _interruptible(lambda: "run this again"):
                for number, position in enumerate(sorted(positions), start=1):
                    async with self._step() as connection:
                        await self._replay_range(connection, position - 1, position, done)
                        if position not in done.failed:
                            await self._resolve(connection, [position])
                        await takeover.confirm(connection)
                    progress(number, len(positions))
            return done

    async def rebuild(self, *, progress: Progress) -> ReplayResult:
        """Rebuild a projection from the first event. It is one transaction, so that readers see the old rows meanwhile.

        An event that fails becomes a dead letter; dead letters that do not fail are resolved. Raises `BadInput` for a
        subscriber that is not a projection, and `Interrupted` for an error whose cause is not an event.
        """
        if self._subscriber.reset is None:
            raise BadInput(f"{self._name} is not a projection and cannot be rebuilt; use replay.")
        async with taken_over(self._database, self._name, "rebuild") as takeover:
            done = ReplayResult(self._name, 1, takeover.position)
            after = 0
            with _interruptible(lambda: "the rows are as they were, run this again"):
                async with self._database.transaction("begin") as connection:
                    await self._subscriber.reset(connection)
                    letters = queries.list_dead_letters(connection, subscriber=self._name, redelivered_too=False)
                    await self._resolve(connection, [row["event_position"] async for row in letters])
                    while after < takeover.position:
                        after = await self._replay_range(connection, after, takeover.position, done)
                        progress(after, takeover.position)
                    await takeover.confirm(connection)
            return done

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Any]:
        """Yield a connection for a few events: in a transaction, unless the effect is outside of the database."""
        is_external, database = self._subscriber.external_effect, self._database
        async with database.connection() if is_external else database.transaction(BEGIN_STEP) as connection:
            yield connection

    async def _resolve(self, connection: Any, positions: list[int]) -> None:
        await queries.redelivered(connection, subscriber=self._name, positions=positions, now=self._clock.now())

    async def _replay_range(self, connection: Any, after: int, end: int, done: ReplayResult) -> int:
        """Deliver the next events after `after`, up to `end` at most; return the position of the last one."""
        event_range = await self._dispatcher.read(connection, after=after, max_events=min(DELIVERY_MAX, end - after))
        if event_range.events or event_range.unreadable:
            failed = await self._dispatcher.dispatch(event_range, partial(self._scope, connection))
            done.handled += len(event_range.events) - len(failed) if event_range.events else 0
            done.failed += failed
        # A gap in the log, which should not exist, is skipped.
        return max(event_range.to, after + 1)

    @asynccontextmanager
    async def _scope(self, connection: Any, _event_range: EventRange, *, transactional: bool) -> AsyncIterator[Any]:
        """Set a savepoint, and roll back to it after a failure, so that the transaction of the replay can continue."""
        if not transactional or self._subscriber.external_effect:
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
    """Raise `Interrupted` with advice for an error whose cause is not an event. Other errors are raised unchanged."""
    try:
        yield
    except Exception as error:
        raise_if_cancelled()
        if not interrupts(error):
            raise
        reason = "The lease was lost" if isinstance(error, LostLease) else str(error).rstrip(".")
        raise Interrupted(f"Interrupted: {reason or type(error).__name__}; {advice()}.") from error
