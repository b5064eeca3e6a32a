"""The servers of the test run: every test gets a database of its own."""

import asyncpg
import pytest
import redis


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_has_an_empty_database_of_its_own(postgres_url: str, time: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
    await connection.execute("create table left_behind (id int)")
    await connection.close()
    assert tables == 0, time


@pytest.mark.parametrize("time", ["first", "second"])
async def test_a_database_is_dropped_although_a_connection_is_open(postgres_url: str, time: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("select 1") == 1, time
    connection.terminate()


async def test_a_migrated_database_has_the_banks_tables(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    found = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    await connection.close()
    assert {"accounts", "entries", "event_store"} <= {row["tablename"] for row in found}


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_cache_is_empty_at_the_start_of_a_test(redis_url: str, time: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0, time
        client.set("left", "behind")
