"""`bank check` compares the database schema with the schema that the migrations make."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from bank.invariants.schema import EXPECTED, compare_schema, describe_schema
from bank.invariants.verify import verify
from fixtures.backends.reach import run_sql
from tests.conftest import Servers

NOTHING = "begin return null; end"


@pytest.fixture
async def superuser(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def violations_after(url: str, connection: Any, *statements: str) -> str:
    """Return the violations of the schema after some statements."""
    for statement in statements:
        await connection.execute(statement)
    found = {finding.invariant: finding.sentence for finding in (await verify(url)).findings}
    return found.get("schema_as_migrated", "nothing")


async def test_the_expected_schema_is_the_schema_after_all_migrations(
    superuser: Any, request: pytest.FixtureRequest
) -> None:
    made = await describe_schema(superuser)
    if request.config.getoption("update_schema"):
        EXPECTED.write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    kept = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert made == kept, (
        "a migration has changed the schema: run this test with --update-schema and read the difference"
    )


async def test_a_migrated_database_has_the_expected_schema(database_url: str, superuser: Any) -> None:
    assert await violations_after(database_url, superuser) == "nothing"


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (
            f"create or replace function refuse_change() returns trigger language plpgsql as '{NOTHING}'",
            "refuse_change",
        ),
        ("alter function refuse_change() reset search_path", "refuse_change"),
        ("alter function refuse_change() security definer", "refuse_change"),
        ("alter table entries disable trigger entries_are_append_only", "entries_are_append_only"),
        ("alter table entries enable replica trigger entries_are_append_only", "entries_are_append_only"),
        ("alter table sessions disable trigger all", "RI_FKey"),
        ("drop trigger balances_change_by_entries on accounts", "balances_change_by_entries"),
        (
            "create or replace trigger entries_are_append_only before update or delete or truncate on entries"
            " when (false) execute function refuse_change()",
            "entries_are_append_only",
        ),
        (
            "create or replace trigger entries_are_append_only before truncate on entries"
            " execute function refuse_change()",
            "entries_are_append_only",
        ),
        (
            "create trigger more before insert on entries for each row execute function refuse_change()",
            "trigger more of entries",
        ),
        ("alter table idempotency_keys drop constraint idempotency_keys_pkey", "idempotency_keys_pkey"),
        (
            "alter table accounts drop constraint customers_do_not_overdraw,"
            " add constraint customers_do_not_overdraw check (true)",
            "customers_do_not_overdraw",
        ),
        (
            "alter table accounts drop constraint customers_do_not_overdraw,"
            " add constraint customers_do_not_overdraw check (balance_minor >= held_minor) not valid",
            "customers_do_not_overdraw",
        ),
        ("drop index transactions_capture_a_hold_once", "transactions_capture_a_hold_once"),
        (
            "drop index transactions_capture_a_hold_once;"
            " create index transactions_capture_a_hold_once on transactions (hold_id) where hold_id is not null",
            "transactions_capture_a_hold_once",
        ),
        ("update pg_index set indisvalid = false where indexrelid = 'entries_pkey'::regclass", "entries_pkey"),
        ("alter table entries alter column currency drop not null", "currency of entries"),
        ("alter table holds alter column description type varchar(20)", "description of holds"),
        ("alter table accounts alter column held_minor set default 5", "held_minor of accounts"),
        ("alter table holds add column more text", "more of holds"),
        ("alter table account_days set unlogged", "account_days"),
        ("alter table account_days set (autovacuum_enabled = off)", "account_days"),
        ("create table copies () inherits (entries)", "entries"),
        ("alter table users enable row level security", "users"),
        ("create policy more on users using (true)", "policy more of users"),
        ("create rule more as on insert to dead_letters do instead nothing", "rule more of dead_letters"),
        ("create function more() returns integer language sql as 'select 1'", "more()"),
        ("create function sha256(text) returns bytea language sql as 'select null::bytea'", "sha256(text)"),
        ("create type more as enum ('a')", "type more"),
        ("alter sequence account_number_sequence cycle", "account_number_sequence"),
        (
            "create or replace function audit_link(hash bytea, start bytea, line text) returns bytea language plpgsql"
            " immutable parallel safe as $$ begin return start; end $$",
            "audit_link",
        ),
        ("grant delete on entries to bank_app", "bank_app to table entries"),
        ("grant update (amount_minor) on entries to bank_app", "bank_app to column amount_minor of entries"),
        ("grant create on schema public to bank_app", "bank_app"),
        ("grant insert on users to public", "everybody to table users"),
        ("revoke insert on event_store from bank_app", "bank_app to table event_store"),
        ("alter default privileges grant delete on tables to bank_app", "bank_app to what is made later"),
        ("alter table entries owner to bank_app", "entries"),
        ("alter function refuse_change() owner to bank_app", "owner of refuse_change"),
        ("create schema bank_app; create table bank_app.entries ()", "bank_app.entries"),
        ("create event trigger more on ddl_command_end execute function event_of_more()", "event trigger more"),
    ],
)
async def test_tampering_with_the_schema_is_named(
    database_url: str, superuser: Any, statement: str, place: str
) -> None:
    if "event trigger" in statement:
        await superuser.execute("create function event_of_more() returns event_trigger language plpgsql as 'begin end'")
    assert place in await violations_after(database_url, superuser, statement)


@pytest.mark.parametrize(
    "setting",
    [
        "search_path = pg_temp, public",
        "session_replication_role = replica",
        "default_transaction_isolation = 'read committed'",
        "synchronous_commit = off",
    ],
)
async def test_a_harmful_setting_of_the_database_is_named(database_url: str, superuser: Any, setting: str) -> None:
    name = await superuser.fetchval("select current_database()")
    said = await violations_after(database_url, superuser, f'alter database "{name}" set {setting}')
    assert f"setting {setting.partition(' ')[0]}" in said


@pytest.mark.parametrize(
    "setting",
    ["work_mem = '8MB'", "log_statement = 'all'", "timezone = 'Asia/Kathmandu'", "statement_timeout = '1min'"],
)
async def test_a_harmless_setting_of_the_database_is_no_violation(
    database_url: str, superuser: Any, setting: str
) -> None:
    name = await superuser.fetchval("select current_database()")
    assert await violations_after(database_url, superuser, f'alter database "{name}" set {setting}') == "nothing"


@pytest.fixture
def other_login(servers: Servers, database_url: str) -> Iterator[str]:
    """A login role without any relation to the bank, on the server that all databases of the test run share."""
    name = f"colleague_{uuid.uuid4().hex[:12]}"
    run_sql(database_url, f"create role {name} login")
    yield name
    run_sql(database_url, f"drop owned by {name}", f"drop role {name}")


async def test_other_roles_that_may_write_are_named_and_readers_are_not(
    database_url: str, superuser: Any, other_login: str
) -> None:
    assert await violations_after(database_url, superuser, f"grant select on entries to {other_login}") == "nothing"
    said = await violations_after(database_url, superuser, f"grant update on users to {other_login}")
    assert said.startswith(f"rights of {other_login} to table users: it should be none of the bank's, and is update")


async def test_members_of_the_role_of_the_bank_are_listed(database_url: str, superuser: Any, other_login: str) -> None:
    assert other_login not in (await verify(database_url)).logins
    await superuser.execute(f"grant bank_app to {other_login}")
    assert other_login in (await verify(database_url)).logins
    assert await violations_after(database_url, superuser) == "nothing"
    await superuser.execute(f"alter role {other_login} set session_replication_role = replica")
    assert f"setting session_replication_role of role {other_login}" in await violations_after(database_url, superuser)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("grant pg_write_all_data to bank_app", "member of pg_write_all_data"),
        ("alter role bank_app superuser", "superuser"),
        ("alter role bank_app login createrole", "creates roles, logs in"),
        ("alter role bank_app bypassrls", "passes by row security"),
        ("alter role bank_app set session_replication_role = replica", "replica"),
        ("grant set on parameter session_replication_role to bank_app", "set"),
    ],
)
async def test_extra_privileges_of_the_role_of_the_bank_are_named(superuser: Any, statement: str, said: str) -> None:
    # Roles belong to the server, which other tests use at the same time, so nothing here is committed.
    transaction = superuser.transaction()
    await transaction.start()
    await superuser.execute(statement)
    [row] = await compare_schema(superuser)
    assert "bank_app" in row["place"]
    assert row["found"] == said
    await transaction.rollback()
    assert await compare_schema(superuser) == []


async def test_a_difference_is_shown_from_its_first_character(database_url: str, superuser: Any) -> None:
    said = await violations_after(database_url, superuser, "alter table entries alter column currency drop not null")
    assert said.startswith("column currency of entries: its definition should be … not null, and is … nothing more")
