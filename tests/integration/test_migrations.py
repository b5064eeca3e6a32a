"""Migrations bring an empty database to the schema that the code expects."""

import asyncio

import asyncpg
import pytest

from bank.database.migrate import ForeignDatabase, WrongMigrationLevel, expected_level, require_level, upgrade
from bank.database.pool import Database
from bank.errors import Unavailable
from fixtures.backends.reach import run_sql
from tests.conftest import Servers
from tests.integration.encryption import MASTER_KEY


def _database(url: str) -> Database:
    return Database(url, pool_size=4, pool_timeout_ms=500, statement_timeout_ms=1_000)


async def test_an_empty_database_is_refused_with_advice(postgres_url: str, servers: Servers) -> None:
    servers.template()  # makes the bank's role on the server
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


DEPOSIT_OF_LEVEL_3 = """
with posted as (
    insert into transactions
        (id, kind, amount_minor, currency, debit_account_id, credit_account_id, initiated_by, created_at)
    select gen_random_uuid(), 'DEPOSIT', 5, 'BRL', d.id, c.id, c.id, now()
    from accounts d, accounts c where d.kind = 'CASH' and c.kind = 'CUSTOMER' returning id
), changes as (
    select a.*, case kind when 'CASH' then -5 else 5 end as change from accounts a
), entered as (
    insert into entries select c.id, c.version + 1, p.id, change, 'BRL', balance_minor + change, now()
    from posted p, changes c
)
update accounts a set version = a.version + 1, balance_minor = a.balance_minor + change from changes c where c.id = a.id
"""


def test_existing_transactions_get_the_numbers_of_their_entries(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    upgrade(postgres_url, level="0003")
    run_sql(
        postgres_url,
        "insert into users (id, email, full_name, password_hash, role, created_at, updated_at)"
        " values (gen_random_uuid(), 'a@example.com', 'A', '-', 'ADMIN', now(), now())",
        "insert into accounts (id, user_id, kind, number, currency, status, created_at)"
        " select gen_random_uuid(), id, 'CUSTOMER', 'n', 'BRL', 'ACTIVE', now() from users",
        DEPOSIT_OF_LEVEL_3,
        DEPOSIT_OF_LEVEL_3,
    )
    upgrade(postgres_url)
    versions = run_sql(postgres_url, "select debit_version, credit_version from transactions order by 1")
    assert [tuple(row) for row in versions] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("position", [0, 7])
def test_suspicious_activity_is_looked_for_from_the_migration_on(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    upgrade(postgres_url, level="0022")
    run_sql(postgres_url, "set session_replication_role = replica", f"update event_log_head set position = {position}")
    upgrade(postgres_url)
    rows = run_sql(postgres_url, "select subscriber, position from subscriber_positions")
    assert [tuple(row) for row in rows] == ([("suspicious_activity", position)] if position else [])


def _tables(url: str) -> list[str]:
    rows = run_sql(url, "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
    return sorted(row[0] for row in rows)


def test_a_database_of_another_program_is_refused_and_not_changed(postgres_url: str) -> None:
    run_sql(postgres_url, "create table ledger (id integer)", "create table orders (id integer)")
    with pytest.raises(ForeignDatabase, match=r"holds ledger and 1 more, .* Nothing was changed\.$"):
        upgrade(postgres_url)
    assert _tables(postgres_url) == ["ledger", "orders"]


def test_a_database_with_an_unknown_migration_is_refused_and_not_changed(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "create table alembic_version (version_num varchar(32) not null)",
        "insert into alembic_version values ('5f1c0de')",
    )
    with pytest.raises(ForeignDatabase, match=r"5f1c0de.*belongs to something else, or to a newer bank"):
        upgrade(postgres_url)
    assert _tables(postgres_url) == ["alembic_version"]
