"""A pool without a free connection: a request without one is refused in time, and works when one is free again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

import asyncpg
import pytest

from tests.integration.api import Client, Reply, RunningBank, serving, settings_for

NO_CACHE = {"Cache-Control": "no-cache"}
POOL_SIZE, POOL_TIMEOUT_S = 4, 0.3
SLACK_S = 1.0  # for a machine with other load


@pytest.fixture
async def small_pool(database_url: str, redis_url: str) -> AsyncIterator[RunningBank]:
    settings = settings_for(
        database_url,
        redis_url,
        database_pool_size=POOL_SIZE,
        database_pool_timeout_ms=int(POOL_TIMEOUT_S * 1000),
        database_statement_timeout_ms=3_000,
    )
    async with serving(settings) as running:
        yield running


@contextlib.asynccontextmanager
async def accounts_locked(database_url: str) -> AsyncIterator[Any]:
    """Lock the table of accounts, so that all other transactions wait."""
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("lock table accounts in access exclusive mode")
            yield other
    finally:
        await other.close()


async def transfer_of_one(running: RunningBank) -> tuple[Client, Any]:
    """Return a user with 10.00, and a function that sends one more of it."""
    person = await running.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await running.staff()).deposit(first["number"], "10.00", "d")

    async def transfer(key: str) -> Reply:
        return await person.transfer(first["id"], second["number"], "1.00", key)

    assert (await transfer("before")).status == 200
    return person, transfer


async def until_waiting(other: Any, count: int) -> None:
    """Wait until `count` connections of the bank wait for the lock."""
    waiting = (
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and application_name = 'bank'"
    )
    async with asyncio.timeout(5):
        while await other.fetchval(waiting) < count:
            await asyncio.sleep(0.01)


async def test_a_full_pool_refuses_within_its_time_out_and_recovers_within_a_second(
    small_pool: RunningBank, database_url: str
) -> None:
    person, transfer = await transfer_of_one(small_pool)
    async with accounts_locked(database_url) as other:
        holding = [asyncio.create_task(person.run("Me", headers=NO_CACHE)) for _ in range(POOL_SIZE)]
        await until_waiting(other, POOL_SIZE)
        began = perf_counter()
        refused = await asyncio.gather(*[transfer(f"t{n}") for n in range(5)], person.run("Me", headers=NO_CACHE))
        assert perf_counter() - began < POOL_TIMEOUT_S + SLACK_S
        for reply in refused:
            assert (reply.status, reply.code) == (503, "OVERLOADED")
            assert reply.body["errors"][0]["extensions"]["retryable"]
            assert reply.headers["Retry-After"] == "1"
        async with small_pool.client.http.get(f"{small_pool.client.url}/health/ready") as ready:
            assert ready.status == 503

    began = perf_counter()
    moved, read = await asyncio.gather(transfer("t0"), person.run("Me", headers=NO_CACHE))
    assert perf_counter() - began < 1.0
    assert not moved.data["transfer"]["replayed"]
    assert moved.data["transfer"]["userErrors"] == []
    assert read.status == 200
    assert {reply.status for reply in await asyncio.gather(*holding)} == {200}
    await small_pool.caught_up()


async def test_a_statement_that_waits_too_long_is_a_retryable_error(small_pool: RunningBank, database_url: str) -> None:
    person, transfer = await transfer_of_one(small_pool)
    async with accounts_locked(database_url) as other:
        asked = [transfer("t"), person.run("Me", headers=NO_CACHE)]
        asked.append(person.run("OpenAccount", input={"idempotencyKey": "c", "currency": "BRL"}))
        replies = await asyncio.gather(*asked)
        assert not other.is_closed()
    for reply in replies:
        assert (reply.status, reply.code) == (503, "UNAVAILABLE"), reply.body
        assert reply.body["errors"][0]["extensions"]["retryable"]
    assert not (await transfer("t")).data["transfer"]["replayed"]
    assert (await person.run("Me", headers=NO_CACHE)).status == 200
