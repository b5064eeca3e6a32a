"""A database that fails during requests is reported as unavailable and retryable, and is used again when it is back."""

import asyncio

import asyncpg
import pytest

from bank.database.migrate import upgrade
from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.errors import TransactionRolledBack, Unavailable
from bank.events.unit_of_work import retry_if_rolled_back
from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from tests.integration.api import RunningBank, serving, settings_for

NO_CACHE = {"Cache-Control": "no-cache"}


async def test_requests_are_retryable_errors_during_an_outage_of_the_database(
    durable_backend: Backend,
) -> None:
    assert durable_backend.postgres is not None
    await asyncio.to_thread(upgrade, durable_backend.database_url)
    async with serving(settings_for(durable_backend.database_url, durable_backend.redis_url)) as bank:
        person = await bank.client.person()
        first, second = await person.account("a"), await person.account("b")
        await (await bank.staff()).deposit(first["number"], "10.00", "d")

        durable_backend.postgres.kill()
        for _ in range(3):
            read = await person.run("Me", headers=NO_CACHE)
            moved = await person.transfer(first["id"], second["number"], "1.00", "t")
            opened = await person.run("OpenAccount", input={"idempotencyKey": "c", "currency": "BRL"})
            for reply in (read, moved, opened):
                assert (reply.status, reply.code) in {(503, "UNAVAILABLE"), (503, "OUTCOME_UNKNOWN")}, reply.body
                assert reply.body["errors"][0]["extensions"]["retryable"]

        await asyncio.to_thread(durable_backend.postgres.start)
        async with asyncio.timeout(15):
            while (reply := await person.transfer(first["id"], second["number"], "1.00", "t")).status != 200:
                await asyncio.sleep(0.05)
        assert reply.data["transfer"]["userErrors"] == []
        assert await person.balance(first["id"], headers=NO_CACHE) == "9.00"
        await bank.caught_up()


async def test_a_connection_cut_during_a_statement_is_reported_as_unavailable(
    running_bank: RunningBank, database_url: str
) -> None:
    person = await running_bank.client.person()
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("select from users for update")
        opening = asyncio.create_task(person.run("OpenAccount", input={"idempotencyKey": "c", "currency": "BRL"}))
        waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        async with asyncio.timeout(4):
            while (pid := await other.fetchval(waiting)) is None:
                await asyncio.sleep(0.01)
        await other.execute("select pg_terminate_backend($1)", pid)
        reply = await opening
    await other.close()
    assert (reply.status, reply.code) == (503, "UNAVAILABLE")
    assert reply.body["errors"][0]["extensions"]["retryable"]
    assert not (await person.run("OpenAccount", input={"idempotencyKey": "c", "currency": "BRL"})).data["openAccount"][
        "replayed"
    ]


async def test_a_snapshot_with_a_broken_connection_is_unavailable_and_shows_no_second_instant(
    database_url: str,
) -> None:
    database = Database(database_url, pool_size=2, pool_timeout_ms=1_000, statement_timeout_ms=5_000)
    await database.open()
    snapshot = ReadSnapshot(database)
    [[pid]] = await snapshot.fetch("select pg_backend_pid()")
    run_sql(database_url, f"select pg_terminate_backend({pid})")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await snapshot.fetch("select 1")
    await snapshot.close()
    fresh = ReadSnapshot(database)
    assert await fresh.fetch_row("select 1") is not None
    await fresh.close()
    await database.close()


async def test_a_transaction_whose_connection_was_closed_before_its_commit_was_rolled_back_and_is_repeated(
    database_url: str,
) -> None:
    other = await asyncpg.connect(database_url)
    await other.execute("create table public.written (attempt int); grant insert on public.written to bank_app")
    database = Database(database_url, pool_size=2, pool_timeout_ms=1_000, statement_timeout_ms=5_000)
    await database.open()
    attempts = 0

    async def insert(*, broken: int) -> None:
        nonlocal attempts
        attempts += 1
        async with database.transaction("begin") as connection:
            await connection.execute("insert into public.written values ($1)", attempts)
            if attempts <= broken:
                pooled = connection._con
                await other.execute("select pg_terminate_backend($1)", connection.get_server_pid())
                async with asyncio.timeout(4):
                    while not pooled.is_closed():
                        await asyncio.sleep(0.01)

    try:
        with pytest.raises(TransactionRolledBack):
            await insert(broken=1)
        assert await other.fetchval("select count(*) from public.written") == 0
        await retry_if_rolled_back(insert)(broken=2)
        assert [row["attempt"] for row in await other.fetch("select attempt from public.written")] == [3]
    finally:
        await database.close()
        await other.close()
