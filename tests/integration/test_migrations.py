"""Migrations bring an empty database to the schema that the code expects."""

import asyncio

import asyncpg
import pytest

from bank.database.migrate import WrongMigrationLevel, expected_level, require_level, upgrade
from bank.database.pool import Database
from bank.errors import Unavailable


def _database(url: str) -> Database:
    return Database(url, pool_size=4, pool_timeout_ms=500, statement_timeout_ms=1_000)


async def test_an_empty_database_is_refused_with_what_to_do(postgres_url: str) -> None:
    database = _database(postgres_url)
    await database.open()
    try:
        with pytest.raises(WrongMigrationLevel, match=r"not migrated at all, this bank needs .*: run `bank migrate`"):
            await require_level(database)
    finally:
        await database.close()


async def test_a_database_at_another_level_is_refused_by_name(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("update alembic_version set version_num = '0000'")
    await connection.close()
    database = _database(database_url)
    await database.open()
    try:
        with pytest.raises(WrongMigrationLevel, match="at migration 0000"):
            await require_level(database)
    finally:
        await database.close()


def test_migrating_twice_changes_nothing(postgres_url: str) -> None:
    upgrade(postgres_url)
    upgrade(postgres_url)
    assert asyncio.run(_level(postgres_url)) == expected_level()


async def _level(url: str) -> str:
    connection = await asyncpg.connect(url)
    level: str = await connection.fetchval("select version_num from alembic_version")
    await connection.close()
    return level


def test_a_server_that_does_not_answer_is_one_sentence() -> None:
    with pytest.raises(Unavailable, match="The database does not answer"):
        upgrade("postgresql://nobody@127.0.0.1:1/none")
