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
from bank.events.log import append
from bank.events.origins import EventOrigins

Statement = Callable[[Any], Awaitable[None]]
Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


# On a busy machine, a process may be delayed by more than `IDLE_IN_TRANSACTION_MS` in a transaction several times.
# Three attempts take less time than a client waits.
ATTEMPTS_MAX = 3


def retry_if_rolled_back(
    use_case: Callable[Arguments, Awaitable[Returned]],
) -> Callable[Arguments, Awaitable[Returned]]:
    """Repeat a use case, twice at most, if it raises `TransactionRolledBack`.

    For use cases with one unit of work that do nothing outside of it that must not be repeated.
    """

    @wraps(use_case)
    async def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> Returned:
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(TransactionRolledBack):
                return await use_case(*arguments, **options)
        return await use_case(*arguments, **options)

    return run


class UnitOfWork:
    """A transaction: statements run on `connection`, and events are added with `emit`."""

    def __init__(self, connection: Any, clock: Clock, metadata: EventMetadata) -> None:
        self.connection = connection
        self._clock = clock
        self._metadata = metadata
        self.events: list[DomainEvent] = []
        self.metadata: list[EventMetadata] = []
        self.last: list[Statement] = []

    @cached_property
    def now(self) -> datetime:
        """The time of all rows and events of this unit of work; `bank check` compares them."""
        return self._clock.now()

    def emit(self, event: DomainEvent, metadata: EventMetadata | None = None, *, key_digest: str | None = None) -> None:
        """Add an event, which is appended to the log when this unit of work commits.

        `metadata` is its origin; the current request by default. `key_digest` is the digest of the row of the request's
        idempotency key.
        """
        metadata = metadata or self._metadata
        self.events.append(event)
        self.metadata.append(msgspec.structs.replace(metadata, key_digest=key_digest) if key_digest else metadata)

    def before_commit(self, statement: Statement) -> None:
        """Add a short statement that runs after the events are appended.

        It is for statements whose locks other transactions must not wait for while this one still waits itself.
        """
        self.last.append(statement)


class UnitOfWorkFactory:
    """A factory of units of work. A use case begins one, and the code below receives it (R1)."""

    def __init__(self, database: Database, bus: Bus, clock: Clock, origins: EventOrigins) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self.origins = origins
        # The cipher for the personal texts that a unit of work stores.
        self.cipher = origins.cipher

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Begin a transaction. If the block ends without an error, append its events to the log and commit.

        Raises the errors of `EventOrigins.metadata` and of `Database.transaction`.
        """
        metadata = await self.origins.metadata()
        async with self._database.transaction("begin") as connection:
            uow = UnitOfWork(connection, self._clock, metadata)
            yield uow
            # The head of the log is locked last, so that positions are in commit order (R7).
            recorded = await self._append(uow) if uow.events else []
            for statement in uow.last:
                await statement(connection)
        if recorded:
            self._bus.publish(recorded, committed_at=perf_counter())

    async def _append(self, uow: UnitOfWork) -> list[RecordedEvent]:
        return await append(uow.connection, uow.events, now=uow.now, metadata=uow.metadata)
