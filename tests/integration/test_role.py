"""The running bank works with a role that has only the privileges it needs, for every login user."""

import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from bank.database import pool
from bank.database.connection import ROLE
from bank.database.migrate import MissingPrivilege, upgrade
from bank.database.pool import Database, WrongRole
from bank.errors import Unavailable
from bank.events.leases import Leases, LogListener
from bank.invariants.verify import verify
from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from tests.conftest import Servers, with_database
from tests.integration.api import serving, settings_for
from tests.integration.books import Books

ALL = ("select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain")

# The privileges of the running bank on each table. A new table needs a line here, and the same grants in its migration.
# Columns in brackets: the privilege is granted for them alone.
MAY: dict[str, tuple[str, ...]] = {
    "alembic_version": ("select",),
    "users": ("select", "insert", "update"),
    "sessions": ("select", "insert", "update", "delete"),
    "refresh_tokens": ("select", "insert", "update", "delete"),
    "second_factors": ("select", "insert", "update", "delete"),
    "login_devices": ("select", "insert", "update", "delete"),
    "login_failures": ("select", "insert", "update", "delete"),
    "security_observations": ("select", "insert", "delete"),
    "encryption_keys": ("select", "insert", "update (destroyed_at, wrapped)"),
    "signing_keys": ("select", "insert"),
    "notification_templates": ("select", "insert"),
    # Owner, kind and currency of an account never change, because a customer's account that became the bank's own could
    # be overdrawn.
    "accounts": (
        "select",
        "insert",
        "update (balance_minor, daily_limit_minor, frozen_by_role, held_minor, revision, spent_minor, spent_on, status,"
        " transfer_limit_minor, updated_at, version)",
    ),
    "approvals": ("select", "insert", "update"),
    "holds": ("select", "insert", "update"),
    "transactions": ("select", "insert"),
    "entries": ("select", "insert"),
    # Nobody reads the records but `bank privacy disclose`, with the login of the owner.
    "retained_identities": ("insert", "delete", "select (created_at, keep_until, person_id, record_digest)"),
    "idempotency_keys": ("select", "insert", "delete"),
    "event_log_head": ("select", "update"),
    "event_store": ("select", "insert"),
    "subscriber_positions": ("select", "insert", "update"),
    "dead_letters": ("select", "insert", "update", "delete"),
    "audit_logs": ("select", "insert"),
    # This table is a projection: its rows are deleted and made again from the log.
    "account_days": ("select", "insert", "update", "delete"),
    # These tables have temporary state: the live workers, and the trust in Redis.
    "cache_members": ("select", "insert", "update", "delete"),
    "cache_epoch": ("select", "update"),
}

# For each privilege, a statement that would change nothing if it were permitted.
STATEMENTS = {
    "select": "select from {table} limit 0",
    "insert": "insert into {table} select * from {table} limit 0",
    "update": "update {table} set {column} = {column} where false",
    "delete": "delete from {table} where false",
    "truncate": "truncate {table}",
    "alter": "alter table {table} disable trigger all",
    "drop": "drop table {table}",
    "add": "alter table {table} add column more text",
    "index": "create index on {table} ((1))",
    "comment": "comment on table {table} is 'mine'",
    "owner": "alter table {table} owner to current_user",
}
FORBIDDEN = [
    "set session_replication_role = replica",
    "set local session_replication_role = 'replica'",
    "create table public.more (id integer)",
    "create function public.more() returns integer language sql as 'select 1'",
    "drop trigger entries_are_append_only on entries",
    "drop function refuse_change() cascade",
    "create or replace function refuse_change() returns trigger language plpgsql as 'begin return null; end'",
    "alter table accounts drop constraint customers_do_not_overdraw",
    "alter table accounts owner to bank_app",
    "create trigger more before insert on entries for each row execute function refuse_change()",
    "update accounts set kind = 'CASH', user_id = null",
    "update accounts set currency = 'USD'",
    "update accounts set user_id = gen_random_uuid()",
    "create role more",
    "alter role bank_app superuser",
    "copy entries to program 'true'",
    "select setval('account_number_sequence', 1)",
]


@pytest.fixture
async def as_role(database_url: str) -> AsyncIterator[Any]:
    """A connection with the role of the bank."""
    connection = await asyncpg.connect(database_url, server_settings={"role": ROLE})
    yield connection
    await connection.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def rolled_back(connection: Any) -> AsyncIterator[None]:
    """Roll back all changes inside of the block."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def test_every_table_has_decided_privileges(owner: Any) -> None:
    tables = await owner.fetch(
        "select relname from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not relispartition"
    )
    assert {row["relname"] for row in tables} == set(MAY), (
        "a new table needs grants in its migration, and a line in MAY"
    )


@pytest.mark.parametrize("table", MAY)
async def test_the_role_has_exactly_the_decided_privileges(owner: Any, table: str) -> None:
    granted = {
        verb for verb in ALL if await owner.fetchval("select has_table_privilege($1, $2, $3)", ROLE, table, verb)
    }
    columns: dict[str, list[str]] = {}
    for row in await owner.fetch(
        "select lower(privilege_type) as verb, column_name from information_schema.column_privileges"
        " where grantee = $1 and table_name = $2 order by column_name", ROLE, table,
    ):  # fmt: skip
        if row["verb"] not in granted:
            columns.setdefault(row["verb"], []).append(row["column_name"])
    found = granted | {f"{verb} ({', '.join(names)})" for verb, names in columns.items()}
    assert found == set(MAY[table])


@pytest.mark.parametrize("table", MAY)
async def test_every_other_statement_on_a_table_is_refused_to_the_role(as_role: Any, owner: Any, table: str) -> None:
    column = await owner.fetchval(
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum = 1", table
    )
    refused = set()
    for verb, statement in STATEMENTS.items():
        async with rolled_back(as_role):
            try:
                await as_role.execute(statement.format(table=table, column=column))
            except asyncpg.InsufficientPrivilegeError:
                refused.add(verb)
            except (asyncpg.IntegrityConstraintViolationError, asyncpg.GeneratedAlwaysError):
                pass  # the privilege exists, and a constraint of the table refused the row
    # The update of accounts is granted by columns, without the first one. A select without columns needs one of them.
    allowed = {verb.split()[0] for verb in MAY[table] if "(" not in verb or verb.startswith("select")}
    assert refused == set(STATEMENTS) - allowed


async def test_every_way_to_disable_the_guards_is_refused_to_the_role(as_role: Any) -> None:
    let_through = []
    for statement in FORBIDDEN:
        async with rolled_back(as_role):
            try:
                await as_role.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                continue
            let_through.append(statement)
    assert let_through == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_role.execute("alter system set session_replication_role = replica")


async def test_the_role_cannot_grant_itself_more(as_role: Any, owner: Any) -> None:
    await as_role.execute("grant delete, truncate on entries to bank_app")  # PostgreSQL warns, and grants nothing
    assert not await owner.fetchval("select has_table_privilege($1, 'entries', 'delete, truncate')", ROLE)


async def test_the_role_has_no_login_no_server_privileges_and_no_objects(owner: Any) -> None:
    role = await owner.fetchrow("select * from pg_roles where rolname = $1", ROLE)
    powers = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolreplication", "rolbypassrls")
    assert [power for power in powers if role[power]] == []
    assert await owner.fetchval("select count(*) from pg_class where relowner = $1", role["oid"]) == 0
    assert await owner.fetchval("select count(*) from pg_proc where proowner = $1", role["oid"]) == 0
    assert await owner.fetchval("select count(*) from pg_auth_members where member = $1", role["oid"]) == 0


async def test_the_pool_works_as_the_role(books: Books) -> None:
    async with books.database.connection() as connection:
        assert await connection.fetchval("select current_user") == ROLE


async def test_a_temporary_table_of_the_role_does_not_mislead_the_guards(as_role: Any, books: Books) -> None:
    ana = await books.open_account(balance_minor=1_000)
    await as_role.execute("create temporary table entries (like public.entries)")
    await as_role.execute(
        "insert into pg_temp.entries select id, version + 1, gen_random_uuid(), 5, 'BRL', balance_minor + 5, now()"
        " from accounts where id = $1", ana,
    )  # fmt: skip
    with pytest.raises(asyncpg.CheckViolationError):
        await as_role.execute(
            "update public.accounts set balance_minor = balance_minor + 5, version = version + 1 where id = $1", ana
        )


async def test_the_function_of_every_guard_has_a_fixed_search_path(owner: Any) -> None:
    loose = await owner.fetch(
        "select distinct p.proname from pg_trigger t join pg_proc p on p.oid = t.tgfoid"
        " where not t.tgisinternal and not coalesce(array_to_string(p.proconfig, ',') like '%search_path=%', false)"
    )
    assert [row["proname"] for row in loose] == [], "alter function … set search_path = public, pg_temp"


@pytest.fixture
def login(servers: Servers) -> Iterator[str]:
    """A user with no privilege but to log in."""
    maintenance, _ = servers.addresses()
    name = f"login_{uuid.uuid4().hex[:12]}"
    run_sql(maintenance, f"create role {name} login")
    yield name
    run_sql(maintenance, f"drop owned by {name}", f"drop role {name}")


def as_user(url: str, user: str) -> str:
    return url.replace(f"//{urlsplit(url).username}@", f"//{user}@")


async def test_a_bank_serves_with_a_login_that_is_only_a_member_of_the_role(
    database_url: str, redis_url: str, login: str
) -> None:
    run_sql(database_url, f"grant {ROLE} to {login} with inherit false, set true")
    async with serving(settings_for(as_user(database_url, login), redis_url)) as bank:
        person = await bank.client.person()
        account = await person.account()
        assert await person.balance(account["id"]) == "0.00"
        await bank.caught_up()


async def test_only_a_member_of_the_role_can_check_the_books(database_url: str, login: str) -> None:
    with pytest.raises(Unavailable, match="The books could not be read: permission denied"):
        await verify(as_user(database_url, login))
    run_sql(database_url, f"grant {ROLE} to {login}")
    assert (await verify(as_user(database_url, login))).findings == ()


async def test_the_listener_works_as_the_role(database_url: str, books: Books, login: str) -> None:
    leases = Leases([], database=books.database, owner=uuid.uuid4())
    listener = LogListener(url=as_user(database_url, login), bus=books.bus, leases=leases)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="set role"):
        await listener.run_once()


async def test_a_login_without_the_role_is_refused_with_the_command_for_an_administrator(
    database_url: str, login: str
) -> None:
    database = Database(as_user(database_url, login), pool_size=4, pool_timeout_ms=500, statement_timeout_ms=1_000)
    with pytest.raises(WrongRole, match=f"{login} may not work as the role {ROLE}.*grant {ROLE} to {login}"):
        await database.open()


async def test_a_server_without_the_role_is_refused_with_advice_to_migrate(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ROLE", "bank_app_of_nobody")
    database = Database(database_url, pool_size=4, pool_timeout_ms=500, statement_timeout_ms=1_000)
    with pytest.raises(WrongRole, match=r"no role bank_app_of_nobody.*run `bank migrate` first"):
        await database.open()


@pytest.fixture
def owned_database(servers: Servers, login: str) -> Iterator[str]:
    """The URL of an empty database that belongs to an ordinary user, for that user."""
    servers.template()  # makes the bank's role on the server
    maintenance, _ = servers.addresses()
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_sql(maintenance, f"create database {name} owner {login}")
    yield as_user(with_database(maintenance, name), login)
    run_sql(maintenance, f"drop database {name} with (force)")


def test_an_owner_who_cannot_grant_the_role_gets_the_command_for_an_administrator(
    owned_database: str, login: str
) -> None:
    with pytest.raises(MissingPrivilege, match=f"An administrator runs once: grant {ROLE} to {login};"):
        upgrade(owned_database)
    assert run_sql(owned_database, "select to_regclass('accounts')")[0][0] is None


async def test_an_owner_without_other_powers_migrates_and_serves_once_it_is_a_member(
    owned_database: str, login: str, servers: Servers, redis_url: str
) -> None:
    run_sql(servers.addresses()[0], f"grant {ROLE} to {login}")
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(upgrade, owned_database).result()
    async with serving(settings_for(owned_database, redis_url)) as bank:
        await bank.client.person()


def test_concurrent_migrations_create_the_role_once(durable_backend: Backend) -> None:
    urls = [with_database(durable_backend.database_url, name) for name in ("one", "two", "three")]
    for url in urls:
        run_sql(durable_backend.database_url, f"create database {urlsplit(url).path[1:]}")
    assert run_sql(durable_backend.database_url, f"select from pg_roles where rolname = '{ROLE}'") == []
    migrating = [subprocess.Popen([sys.executable, "-m", "bank", "migrate", "--database-url", url]) for url in urls]
    assert [process.wait(timeout=60) for process in migrating] == [0, 0, 0]
    for url in urls:
        assert run_sql(url, f"select has_table_privilege('{ROLE}', 'entries', 'insert')")[0][0]
