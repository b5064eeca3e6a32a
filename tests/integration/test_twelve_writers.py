"""Twelve writers with delays before their commits leave no gap and no inversion, for any subscriber (R7, R8)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from bank.accounts.cached import AccountCache
from bank.cache.values import ValueCache
from bank.clock import SystemClock
from bank.event_handlers import subscribers
from bank.events import unit_of_work as work_module
from bank.events.bus import Bus
from bank.events.dispatch import Subscriber
from bank.events.event import RecordedEvent
from bank.events.log import append
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.security.watch import SuspiciousActivityMonitor
from tests.integration.caches import open_cache
from tests.integration.encryption import cipher_for, origins_for
from tests.integration.events import one_of_each
from tests.integration.log import Log

WRITERS = 12
ROUNDS = 10


def with_record_of_events(subscriber: Subscriber) -> Subscriber:
    """Return a subscriber that also records the handled events, in the transaction of its effect."""

    async def handle(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await subscriber.handle(connection, events)
        rows = [(subscriber.name, event.position) for event in events]
        await connection.executemany("insert into effects (subscriber, position) values ($1, $2)", rows)

    return replace(subscriber, handle=handle, needs=None)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_subscriber_handles_every_event_once_and_in_order(
    log: Log, redis_url: str, monkeypatch: pytest.MonkeyPatch, seed: int, stack: AsyncExitStack
) -> None:
    random = Random(seed)

    async def append_slowly(connection: Any, *what: Any, **when: Any) -> list[RecordedEvent]:
        recorded = await append(connection, *what, **when)
        await connection.execute("select pg_sleep($1)", random.random() / 100)
        return recorded

    monkeypatch.setattr(work_module, "append", append_slowly)
    cache = await stack.enter_async_context(open_cache(redis_url, timeout_ms=1_000))
    monitor = SuspiciousActivityMonitor(cipher_for(log.database), SystemClock(), exempt=())
    table = [with_record_of_events(one) for one in subscribers(AccountCache(ValueCache(cache)), monitor.watch)]
    other_bus = Bus()
    works = [log.work, UnitOfWorkFactory(log.database, other_bus, SystemClock(), origins_for(log.database))]

    async def write(writer: int) -> None:
        for _ in range(ROUNDS):
            async with works[writer % 2].begin() as uow:
                await uow.connection.execute("select pg_sleep($1)", random.random() / 50)
                for event in random.sample(one_of_each(), random.randint(1, 4)):
                    uow.emit(event)

    async with log.process(*table), log.process(*table, bus=other_bus):
        async with asyncio.timeout(60):
            await asyncio.gather(*[write(writer) for writer in range(WRITERS)])

        async def caught_up() -> bool:
            async with log.database.connection() as connection:
                behind = "select count(*) from subscriber_positions s, event_log_head h where s.position < h.position"
                return bool(await connection.fetchval(behind) == 0)

        await log.until(caught_up)
    async with log.database.connection() as connection:
        stored = await connection.fetch("select position, event_type from event_store order by position")
        assert [row["position"] for row in stored] == list(range(1, len(stored) + 1))
        assert len(stored) >= WRITERS * ROUNDS
        for subscriber in table:
            rows = await connection.fetch(
                "select position from effects where subscriber = $1 order by id", subscriber.name
            )
            handled = [row["position"] for row in rows]
            if subscriber.external_effect:  # after a crash it may receive its last events again, but no others
                handled = list(dict.fromkeys(handled))
            wanted = [
                row["position"] for row in stored if subscriber.types is None or row["event_type"] in subscriber.types
            ]
            assert handled == wanted, subscriber.name
    assert await log.dead_letters() == []
