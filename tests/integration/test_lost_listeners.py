"""A worker that does not receive invalidations returns no old answer, detects this within a second, and reconnects."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
import pytest

from bank.cache.trust import TRUST_S
from bank.events.leases import LISTENER_NAME
from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import serving, settings_for
from tests.integration.two_workers import TwoWorkers, serve_two_workers

NOTICED_S = 1.0
# The extra time for a busy machine; no test waits for all of it.
PATIENCE_S = 20.0


@pytest.fixture
async def workers(database_url: str, redis_url: str) -> AsyncIterator[TwoWorkers]:
    async with serve_two_workers(database_url, redis_url) as workers:
        yield workers


async def listeners(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select pid from pg_stat_activity where application_name = $1 and datname = current_database()",
            LISTENER_NAME,
        )
        return [row["pid"] for row in rows]
    finally:
        await connection.close()


async def end_listeners(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = $1 and datname = current_database()",
            LISTENER_NAME,
        )
    finally:
        await connection.close()


async def test_answers_contain_every_acknowledged_write_while_listeners_end(
    workers: TwoWorkers, database_url: str
) -> None:
    workers.proxy.block()
    for _ in range(12):
        await end_listeners(database_url)
        for _ in range(3):
            await workers.transfer_cent()
            await workers.check_balances(workers.on_second)
    async with asyncio.timeout(PATIENCE_S):
        while len(await listeners(database_url)) < 2:
            await asyncio.sleep(0.01)
    workers.proxy.unblock()
    async with asyncio.timeout(PATIENCE_S):
        await workers.until_hit(workers.on_second)
    await workers.check_balances(workers.on_second)
    await workers.check_balances(workers.on_first)


async def test_a_listener_that_ends_is_replaced_while_nothing_is_written(
    workers: TwoWorkers, database_url: str
) -> None:
    await workers.first.caught_up()
    before = await listeners(database_url)
    await end_listeners(database_url)
    async with asyncio.timeout(PATIENCE_S):
        while len(now := set(await listeners(database_url)) - set(before)) < 2:
            await asyncio.sleep(0.01)
    assert len(now) == 2
    await workers.second.until_redis_is_trusted()


@asynccontextmanager
async def stopped_backends(url: str) -> AsyncIterator[set[int]]:
    """Stop the server processes of the listening connections until the end of the block. Returns their process ids."""
    stopped = await listeners(url)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield set(stopped)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


async def test_answers_are_current_while_the_backend_of_a_listener_is_stopped(
    workers: TwoWorkers, database_url: str
) -> None:
    await end_listeners(database_url)
    await workers.first.until_redis_is_trusted()
    await workers.second.until_redis_is_trusted()
    workers.proxy.block()
    async with stopped_backends(database_url) as stopped:
        for _ in range(5):
            await workers.transfer_cent()
            await workers.check_balances(workers.on_second)
        async with asyncio.timeout(PATIENCE_S):
            while len(set(await listeners(database_url)) - stopped) < 2:
                await asyncio.sleep(0.01)
        for _ in range(5):
            await workers.transfer_cent()
            await workers.check_balances(workers.on_second)


async def test_answers_are_current_while_a_worker_does_not_detect_its_lost_listener(
    workers: TwoWorkers, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The heartbeat time-out would end the connection, and the trust with it, so it is longer than this test.
    monkeypatch.setattr("bank.events.leases.HEARTBEAT_TIMEOUT_S", 2 * PATIENCE_S)
    before = set(await listeners(database_url))
    await end_listeners(database_url)
    async with asyncio.timeout(PATIENCE_S):
        while len(set(await listeners(database_url)) - before) < 2:
            await asyncio.sleep(0.01)
        await workers.first.caught_up()
        await workers.first.until_redis_is_trusted()
        await workers.second.until_redis_is_trusted()
        await workers.until_hit(workers.on_second)
    workers.proxy.block()
    async with stopped_backends(database_url) as deaf:
        for _ in range(3):
            await workers.transfer_cent()
            await workers.check_balances(workers.on_second)
        assert set(await listeners(database_url)) == deaf, "nobody has connected again"
        assert not workers.second.bank.membership.trusts_redis


async def test_a_worker_without_heartbeats_trusts_the_cache_for_less_time_than_others_wait(
    database_url: str, redis_url: str
) -> None:
    async with (
        FaultProxy(upstream_of(database_url)) as way,
        serving(settings_for(through_proxy(database_url, way.port), redis_url)) as bank,
    ):
        assert bank.bank.membership.trusts_redis
        way.block()
        began = monotonic()
        async with asyncio.timeout(PATIENCE_S):
            while bank.bank.membership.trusts_redis:
                await asyncio.sleep(0.001)
        assert monotonic() - began < TRUST_S + NOTICED_S
        way.unblock()
        await bank.until_redis_is_trusted()


async def test_a_starting_worker_does_not_trust_values_with_pending_invalidations(
    workers: TwoWorkers, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workers.first.caught_up()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bank.accounts.cached.AccountCache.catch_up", never)
    monkeypatch.setattr("bank.cache.values.ValueCache.flush_deferred", never)
    workers.proxy.block()
    await workers.transfer_cent()
    monkeypatch.undo()
    async with serving(settings_for(database_url, redis_url)) as third:
        await third.until_redis_is_trusted()
        on_second = type(workers.on_second)(third.client.http, third.client.url, workers.on_first.token)
        await workers.check_balances(on_second)


async def test_a_broadcast_waits_once_for_killed_workers(workers: TwoWorkers, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("insert into cache_members (worker) values (gen_random_uuid()), (gen_random_uuid())")
    workers.proxy.block()
    began = monotonic()
    await workers.transfer_cent()
    assert monotonic() - began >= TRUST_S
    assert await connection.fetchval("select count(*) from cache_members") == 2
    await connection.close()


async def test_a_stopped_worker_is_removed_from_the_members(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url)):
        pass
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select count(*) from cache_members") == 0
    await connection.close()


@pytest.mark.timeout(90)
async def test_workers_receive_notifications_again_after_a_restart_of_postgresql(durable_backend: Backend) -> None:
    url = durable_backend.database_url
    postgres = durable_backend.postgres
    assert postgres is not None
    from bank.database.migrate import upgrade

    await asyncio.to_thread(upgrade, url)
    async with serve_two_workers(url, durable_backend.redis_url) as workers:
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(PATIENCE_S):
            while len(await listeners(url)) < 2:
                await asyncio.sleep(0.01)
        await workers.first.until_redis_is_trusted()
        await workers.second.until_redis_is_trusted()
        workers.proxy.block()
        await workers.transfer_cent()
        await workers.check_balances(workers.on_second)
    run_sql(url, "select 1")
