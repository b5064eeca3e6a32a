"""Deliveries commit without waiting for the disk: a delivery that a crash undoes is repeated, without a new event."""

import asyncio
from typing import Any

from bank.database.migrate import upgrade
from bank.database.pool import Database
from bank.events.dispatch import Subscriber
from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from tests.integration.log import Log, open_log, write_effect


async def set_back(log: Log, position: int) -> None:
    """Set the database to the state after a crash: without the effects after a position."""
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set position = $1", position)
        await connection.execute("delete from effects where position > $1", position)


async def test_deliveries_lost_in_a_crash_are_repeated_without_a_new_event(durable_backend: Backend) -> None:
    postgres, url = durable_backend.postgres, durable_backend.database_url
    assert postgres is not None
    await asyncio.to_thread(upgrade, url)
    # The WAL writer is slowed down, so that the crash always undoes a delivery.
    run_sql(url, "alter system set wal_writer_delay = '10s'", "select pg_reload_conf()")
    async with open_log(url) as log, log.process(Subscriber("s", write_effect)) as process:
        delivery = process.deliveries[0]
        for last in (20, 40):
            await log.append(20)
            while delivery.position != last:
                await asyncio.sleep(0)
            postgres.kill()
            await asyncio.to_thread(postgres.start)
            await log.until(lambda last=last: has_effects(log, last))
        assert await log.effects() == list(range(1, 41))


async def has_effects(log: Log, count: int) -> bool:
    # The first statement after a restart may get an old connection.
    try:
        return len(await log.effects()) == count
    except Exception:  # noqa: BLE001 - the caller tries again, for ten seconds
        return False


async def test_a_renewal_of_the_lease_continues_from_a_position_that_went_back(log: Log) -> None:
    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    delivery = process.deliveries[0]
    await log.append(5)
    assert await delivery.run_once()
    await set_back(log, 2)
    assert not await delivery.run_once(), "nothing new has happened"
    await process.leases.run_once()
    assert delivery.position == 2
    assert await delivery.run_once()
    assert await log.effects() == [1, 2, 3, 4, 5]


async def test_a_delivery_is_rolled_back_if_the_position_goes_back(log: Log) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(connection: Any, events: Any) -> None:
        await write_effect(connection, events)
        if events[-1].position == 6:
            reached.set()
            await go_on.wait()

    process = log.process(Subscriber("s", slowly))
    await process.leases.register()
    await process.leases.run_once()
    delivery = process.deliveries[0]
    await log.append(5)
    assert await delivery.run_once()
    await log.append(1)
    task = asyncio.create_task(delivery.loop.run())
    await reached.wait()
    async with asyncio.timeout(5):
        await set_back(log, 3)
        await process.leases.run_once()
        assert delivery.position == 3
        go_on.set()
        while await log.effects() != [1, 2, 3, 4, 5, 6]:
            await process.leases.run_once()
    task.cancel()
    await asyncio.wait({task})


async def test_a_position_that_moves_during_a_renewal_is_kept(log: Log) -> None:
    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    delivery = process.deliveries[0]
    await log.append(3)
    known = delivery.position
    assert await delivery.run_once()
    # This is the position in the database immediately before this delivery moved it.
    delivery.lease_acquired(0, moved_to=known)
    assert delivery.position == 3


async def test_a_process_stopped_in_the_middle_of_a_delivery_holds_its_subscriber_for_less_than_a_lease(
    log: Log, database_url: str
) -> None:
    reached = asyncio.Event()

    async def stopped(connection: Any, events: Any) -> None:
        await write_effect(connection, events)
        reached.set()
        await asyncio.sleep(60)

    async with log.process(Subscriber("s", stopped)) as first:
        await log.append(1)
        async with asyncio.timeout(5):
            await reached.wait()
        # A stopped process does not renew its lease.
        first.tasks[0].cancel()
        other = Database(database_url, pool_size=4, pool_timeout_ms=1_000, statement_timeout_ms=5_000)
        await other.open()
        async with Log(other, database_url).process(Subscriber("s", write_effect)), asyncio.timeout(3):
            while await log.effects() != [1]:
                await asyncio.sleep(0.01)
        await other.close()
