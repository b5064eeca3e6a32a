"""Delivery: every subscriber gets every event, in order, and its effect happens once."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from bank import backoff
from bank.clock import SystemClock
from bank.errors import Unavailable
from bank.events import bus as bus_module
from bank.events import delivery as delivery_module
from bank.events import dispatch
from bank.events.bus import Bus
from bank.events.dispatch import LostLease, RetryLater, Subscriber
from bank.events.event import RecordedEvent
from bank.events.leases import LISTENER_NAME
from bank.events.log import EventRange, read
from bank.events.types.users import UserRegisteredEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from tests.integration.encryption import origins_for
from tests.integration.log import Log, write_effect


async def test_events_from_before_a_subscriber_existed_are_delivered(log: Log) -> None:
    await log.append(3)
    async with log.process(Subscriber("s", write_effect)):
        await log.append(2)

        async def all_there() -> bool:
            return await log.effects() == [1, 2, 3, 4, 5]

        await log.until(all_there)


async def test_a_subscriber_receives_only_its_event_types_and_skips_the_others(log: Log) -> None:
    from bank.events.types.accounts import AccountCreatedEvent

    async with log.process(Subscriber("s", write_effect, events=(AccountCreatedEvent,))) as process:
        await log.append(3)

        async def passed() -> bool:
            return process.deliveries[0].position == 3

        await log.until(passed)
    assert await log.effects() == []


async def test_an_effect_and_the_position_commit_together_or_not_at_all(log: Log) -> None:
    failing = True

    async def fail_after_the_effect(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        if failing:
            raise RetryLater("not yet")

    async with log.process(Subscriber("s", fail_after_the_effect)):
        await log.append(2)
        await asyncio.sleep(0)
        assert await log.effects() == []
        failing = False

        async def all_there() -> bool:
            return await log.effects() == [1, 2]

        await log.until(all_there)


async def test_the_pause_does_not_grow_while_an_external_system_is_unavailable(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[float] = []
    tries = 0

    def pause_s(attempt: int, _random: object, *, max_s: float = backoff.MAX_S) -> float:
        longest.append(max_s)
        return 0.0

    async def wait_for_redis(connection: Any, events: Sequence[RecordedEvent]) -> None:
        nonlocal tries
        tries += 1
        if tries <= 20:
            raise (
                RetryLater("Redis is away."),
                Unavailable("The database is away."),
                asyncpg.DeadlockDetectedError("deadlock detected"),
            )[tries % 3]
        await write_effect(connection, events)

    monkeypatch.setattr(delivery_module, "pause_s", pause_s)
    await log.append(3)
    async with log.process(Subscriber("s", wait_for_redis)):

        async def all_there() -> bool:
            return await log.effects() == [1, 2, 3]

        await log.until(all_there)
    assert longest == [backoff.TRANSIENT_MAX_S] * 20
    assert await log.dead_letters() == []


async def test_a_poison_event_becomes_a_dead_letter_with_its_error_and_stops_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.001)

    async def fail_on_two(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        if any(event.position == 2 for event in events):
            raise ValueError("two is poison")

    await log.append(4)
    async with log.process(Subscriber("s", fail_on_two)):

        async def all_but_two() -> bool:
            return await log.effects() == [1, 3, 4]

        await log.until(all_but_two)
    assert await log.dead_letters() == [("s", 2, delivery_module.ATTEMPTS_MAX)]


async def test_two_processes_deliver_each_event_once(log: Log) -> None:
    subscriber = Subscriber("s", write_effect)
    other_bus = Bus()
    other_work = UnitOfWorkFactory(log.database, other_bus, SystemClock(), origins_for(log.database))
    async with log.process(subscriber), log.process(subscriber, bus=other_bus):
        await asyncio.gather(*[log.append(5) for _ in range(4)], *[log.append(5, work=other_work) for _ in range(4)])

        async def forty() -> bool:
            return len(await log.effects()) == 40

        await log.until(forty)
    assert await log.effects() == list(range(1, 41))


async def test_another_process_takes_over_within_two_seconds_after_a_process_died(log: Log) -> None:
    subscriber = Subscriber("s", write_effect)
    first = await log.process(subscriber).__aenter__()
    async with log.process(subscriber, bus=Bus()):
        await log.append(1)

        async def one() -> bool:
            return await log.effects() == [1]

        await log.until(one)
        await first.kill()
        died = asyncio.get_running_loop().time()
        await log.append(1)

        async def two() -> bool:
            return await log.effects() == [1, 2]

        await log.until(two)
        assert asyncio.get_running_loop().time() - died < 2.5  # two seconds, and half a second for a busy machine


async def test_a_process_that_lost_its_lease_changes_nothing(log: Log) -> None:
    subscriber = Subscriber("s", write_effect)
    process = log.process(subscriber)
    await process.leases.register()
    await process.leases.run_once()
    await log.append(1)
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set owner = $1", uuid4())
    with pytest.raises(LostLease):
        await process.deliveries[0].run_once()
    assert await log.effects() == []


async def test_a_process_that_lost_its_lease_stops_serving_at_once(log: Log) -> None:
    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    await log.append(1)
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set owner = $1", uuid4())
    delivery = process.deliveries[0]
    assert delivery.waiting == 1
    assert await delivery.loop.run_once()
    assert delivery.position is None
    assert delivery.waiting == 0


async def test_a_process_without_the_lease_has_no_events_in_memory(log: Log) -> None:
    process = log.process(Subscriber("s", write_effect))
    delivery = process.deliveries[0]
    await process.leases.register()
    await process.leases.run_once()
    await log.append(2)
    assert delivery.waiting == 2
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set owner = $1", uuid4())
    await process.leases.run_once()
    assert delivery.waiting == 0
    await log.append(1)
    assert delivery.waiting == 0
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set leased_until = now()")
    await process.leases.run_once()
    assert await delivery.run_once()
    assert await log.effects() == [1, 2, 3]


async def test_events_in_memory_are_not_read_from_the_log_and_an_idle_delivery_waits(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reads(*_: Any, **__: Any) -> EventRange:
        raise AssertionError("the events are in memory")

    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    await log.append(3)
    delivery = process.deliveries[0]
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "read", reads)
        assert await delivery.run_once() is True
    assert (await log.effects(), delivery.position) == ([1, 2, 3], 3)
    assert await delivery.run_once() is False


async def test_a_full_inbox_falls_back_to_the_log(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "INBOX_MAX", 3)
    log.bus = Bus()
    log.work = UnitOfWorkFactory(log.database, log.bus, SystemClock(), origins_for(log.database))
    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    await log.append(10)
    assert process.deliveries[0].waiting == 3
    async with process:

        async def ten() -> bool:
            return await log.effects() == list(range(1, 11))

        await log.until(ten)


async def test_a_listener_that_fails_or_stops_closes_its_connection(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = "select pid from pg_stat_activity where application_name = $1 and datname = current_database()"

    async def pids() -> list[int]:
        async with log.database.connection() as connection:
            return [row["pid"] for row in await connection.fetch(listening, LISTENER_NAME)]

    async def has_one() -> bool:
        return len(await pids()) == 1

    async def has_another() -> bool:
        return len(now := await pids()) == 1 and now != first

    async def has_none() -> bool:
        return await pids() == []

    async def fail(*_: Any, **__: Any) -> None:
        raise TimeoutError

    async with log.process(Subscriber("s", write_effect)) as process:
        await log.until(has_one)
        first = await pids()
        with monkeypatch.context() as patched:
            patched.setattr(process.listener, "_send_until_heartbeat", fail)
            await log.until(has_another)
    await log.until(has_none)


async def test_twelve_writers_that_wait_before_commit_leave_no_gap_and_no_inversion(log: Log) -> None:
    rng = Random(7)
    total = 12 * 15
    seen: list[int] = []

    async def write() -> None:
        for _ in range(15):
            async with log.work.begin() as uow:
                await uow.connection.execute("select pg_sleep($1)", rng.random() / 200)
                uow.emit(UserRegisteredEvent(id=uuid7(), role="CUSTOMER"))

    async def follow(connection: asyncpg.Connection) -> None:
        while len(seen) < total:
            event_range = await read(connection, after=seen[-1] if seen else 0, max_events=7)
            seen.extend(event.position for event in event_range.events)

    follower = await asyncpg.connect(log.url)
    async with asyncio.timeout(30):
        await asyncio.gather(follow(follower), *[write() for _ in range(12)])
    await follower.close()
    assert seen == list(range(1, total + 1))


async def test_a_failed_unit_of_work_leaves_neither_state_nor_event(log: Log) -> None:
    inbox = log.bus.subscribe("test")
    inbox.open()

    async def fail() -> UUID:
        async with log.work.begin() as uow:
            await uow.connection.execute("insert into effects (position) values (1)")
            uow.emit(UserRegisteredEvent(id=uuid7(), role="CUSTOMER"))
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await fail()
    async with log.database.connection() as connection:
        assert await connection.fetchval("select position from event_log_head") == 0
        assert await connection.fetchval("select count(*) from event_store") == 0
    assert await log.effects() == []
    assert len(inbox) == 0


async def test_an_effect_outside_of_the_database_may_repeat_but_is_never_skipped(log: Log) -> None:
    outside: list[int] = []

    async def send(_connection: Any, events: Sequence[RecordedEvent]) -> None:
        outside.extend(event.position for event in events)
        if len(outside) == 2:
            raise RetryLater("the other side hung up after hearing it")

    await log.append(2)
    async with log.process(Subscriber("s", send, external_effect=True)) as process:

        async def passed() -> bool:
            return process.deliveries[0].position == 2

        await log.until(passed)
    assert outside == [1, 2, 1, 2]


async def test_delivery_continues_after_any_error_in_reading_the_log(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    unforeseen = [KeyError("one"), AssertionError("two")]

    async def reading(connection: Any, **where: Any) -> EventRange:
        if unforeseen:
            raise unforeseen.pop()
        return await read(connection, **where)

    monkeypatch.setattr(dispatch, "read", reading)
    await log.append(1)
    async with log.process(Subscriber("s", write_effect)):

        async def delivered() -> bool:
            return await log.effects() == [1]

        await log.until(delivered)
    assert not unforeseen
