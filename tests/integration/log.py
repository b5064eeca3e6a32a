"""An event log without a bank, and processes that serve subscribers from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg

from bank.clock import SystemClock
from bank.database.connection import ROLE
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.delivery import Delivery
from bank.events.dispatch import Subscriber
from bank.events.event import RecordedEvent
from bank.events.leases import Leases, LogListener
from bank.events.types.users import UserRegisteredEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from tests.integration.encryption import cipher_for, origins_for


class Log:
    """A database with an event log, and a table in which handlers record their effect."""

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.url = url
        self.bus = Bus()
        self.work = UnitOfWorkFactory(database, self.bus, SystemClock(), origins_for(database))

    async def append(self, count: int = 1, *, work: UnitOfWorkFactory | None = None) -> None:
        for _ in range(count):
            async with (work or self.work).begin() as uow:
                uow.emit(UserRegisteredEvent(id=uuid7(), role="CUSTOMER"))

    async def effects(self) -> list[int]:
        async with self.database.connection() as connection:
            return [row["position"] for row in await connection.fetch("select position from effects order by id")]

    async def dead_letters(self) -> list[tuple[str, int, int]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("select subscriber, event_position, attempts from dead_letters order by 2")
        return [tuple(row) for row in rows]

    def process(self, *subscribers: Subscriber, bus: Bus | None = None) -> "Process":
        return Process(self, subscribers, bus or self.bus)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                await asyncio.sleep(0.002)


class Process:
    """The loops with which one process serves its subscribers."""

    def __init__(self, log: Log, subscribers: Sequence[Subscriber], bus: Bus) -> None:
        owner = uuid4()
        self.deliveries = [
            Delivery(
                one,
                database=log.database,
                bus=bus,
                clock=SystemClock(),
                owner=owner,
                random=Random(1),
                cipher=cipher_for(log.database),
            )
            for one in subscribers
        ]
        self.leases = Leases(self.deliveries, database=log.database, owner=owner)
        self.listener = LogListener(url=log.url, bus=bus, leases=self.leases)
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Process":
        await self.leases.register()
        await self.leases.run_once()
        loops = [self.leases.loop.run(), self.listener.run(), *(delivery.loop.run() for delivery in self.deliveries)]
        self.tasks = [asyncio.create_task(loop) for loop in loops]
        return self

    async def kill(self) -> None:
        """Stop as after kill -9: no lease is released."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        await self.leases.release()


@contextlib.asynccontextmanager
async def open_log(database_url: str) -> AsyncIterator[Log]:
    database = Database(database_url, pool_size=16, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
    await database.open()
    owner = await asyncpg.connect(database_url)
    await owner.execute("create table effects (id bigserial primary key, subscriber text, position bigint)")
    await owner.execute(f"grant all on effects to {ROLE}; grant usage on sequence effects_id_seq to {ROLE}")
    await owner.close()
    yield Log(database, database_url)
    await database.close()


async def write_effect(connection: Any, events: Sequence[RecordedEvent]) -> None:
    await connection.executemany("insert into effects (position) values ($1)", [(event.position,) for event in events])
