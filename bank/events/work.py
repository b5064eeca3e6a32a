"""The unit of work: state and events commit together, or neither does (R1, R2)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import cached_property, wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

import msgspec

from bank.clock import Clock
from bank.database.pool import Database
from bank.errors import TransactionRolledBack
from bank.events.bus import Bus
from bank.events.event import DomainEvent, EventMetadata, RecordedEvent
from bank.events.log import append, metadata_of
from bank.telemetry.context import current_context

Statement = Callable[[Any], Awaitable[None]]
Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


# A process that a busy machine holds up for `IDLE_IN_TRANSACTION_MS` in the middle of a transaction is often held up
# again; three attempts take less time than a client waits.
ATTEMPTS_MAX = 3


def again_if_undone(
    use_case: Callable[Arguments, Awaitable[Returned]],
) -> Callable[Arguments, Awaitable[Returned]]:
    """Repeat a use case, twice at most, if the database has undone it before its commit and it may succeed at once.

    For use cases of one unit of work that do nothing after it which a repetition would do twice.
    """

    @wraps(use_case)
    async def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> Returned:
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(TransactionRolledBack):
                return await use_case(*arguments, **options)
        return await use_case(*arguments, **options)

    return run


class UnitOfWork:
    """One transaction: statements on `connection`, events by `emit`."""

    def __init__(self, connection: Any, clock: Clock) -> None:
        self.connection = connection
        self._clock = clock
        self.events: list[DomainEvent] = []
        self.metadata: list[EventMetadata] = []
        self.last: list[Statement] = []

    @cached_property
    def now(self) -> datetime:
        """The moment of everything in this unit of work: `bank check` compares the rows' with the events'."""
        return self._clock.now()

    def emit(self, event: DomainEvent, metadata: EventMetadata | None = None, *, key_digest: str | None = None) -> None:
        """Say that something has happened; it will have, once this unit of work commits.

        `metadata` says where it came from, where that is not the request at hand; `key_digest` is the digest of the row
        of the request's idempotency key.
        """
        metadata = metadata_of(current_context()) if metadata is None else metadata
        self.events.append(event)
        self.metadata.append(msgspec.structs.replace(metadata, key_digest=key_digest) if key_digest else metadata)

    def before_commit(self, statement: Statement) -> None:
        """Have a short statement run after the events: what others must not wait for while this one waits itself."""
        self.last.append(statement)


class Work:
    """Opens units of work. Use cases open one at their edge; what is below receives it."""

    def __init__(self, database: Database, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Begin a transaction; commit it, with its events at the end of the log, when the block ends without error.

        Raises `OutcomeUnknown` where the connection broke around the commit.
        """
        async with self._database.transaction("begin") as connection:
            uow = UnitOfWork(connection, self._clock)
            yield uow
            # The head of the log is locked here, last, so that positions are in commit order (R7).
            recorded = await self._append(uow) if uow.events else []
            for statement in uow.last:
                await statement(connection)
        if recorded:
            self._bus.publish(recorded, committed_at=perf_counter())

    async def _append(self, uow: UnitOfWork) -> list[RecordedEvent]:
        return await append(uow.connection, uow.events, now=uow.now, metadata=uow.metadata)
