"""A server with unusual default settings, a read-only server, and a server that changes while the bank is running."""

import asyncio
from urllib.parse import urlsplit

import pytest

from bank.database.connection import SESSION
from bank.database.migrate import upgrade
from bank.errors import Unavailable
from bank.invariants.verify import verify
from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.every_request import EveryRequest

UNUSUAL = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "search_path": "nowhere",
    "row_security": "on",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "xmloption": "document",
    "client_encoding": "latin1",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "off",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "transaction_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "50ms",
    "default_table_access_method": "''",
    "check_function_bodies": "off",
    "jit": "on",
    "plan_cache_mode": "force_generic_plan",
}


def make_unusual(url: str, of: str) -> None:
    """Set every default to an unusual value, for a database or for the login role."""
    if of == "database":
        whose = f'database "{urlsplit(url).path[1:]}"'
    else:
        whose = f'role "{urlsplit(url).username}" in database "{urlsplit(url).path[1:]}"'
    settings = {name: value for name, value in UNUSUAL.items() if value != "''"}
    run_sql(url, *[f"alter {whose} set {name} = '{value}'" for name, value in settings.items()])


def test_every_setting_of_the_bank_is_tested_with_another_value() -> None:
    assert set(UNUSUAL) == set(SESSION)


@pytest.mark.parametrize("of", ["database", "role"])
async def test_the_bank_does_not_depend_on_default_settings_of_the_server(
    postgres_url: str, redis_url: str, of: str
) -> None:
    make_unusual(postgres_url, of)
    await asyncio.to_thread(upgrade, postgres_url)
    async with serving(settings_for(postgres_url, redis_url)) as bank:
        for name, ask in (await EveryRequest(bank).next_requests()).items():
            assert "errors" not in (reply := await ask()).body, (name, reply.body)
        # This is longer than the default time-outs that are set for the server.
        await asyncio.sleep(0.1)
        await bank.caught_up()
        async with bank.bank.database.connection() as connection:
            for name in ("TimeZone", "search_path", "synchronous_commit", "default_transaction_isolation"):
                assert await connection.fetchval(f"show {name}") == SESSION[name.lower()]
    # These settings would mislead other clients, so the check names the settings, but no consequences.
    assert {finding.invariant for finding in (await verify(postgres_url)).findings} <= {"schema_as_migrated"}


async def test_a_read_only_server_is_unavailable_for_every_write(
    durable_backend: Backend,
) -> None:
    url = durable_backend.database_url
    await asyncio.to_thread(upgrade, url)
    async with serving(settings_for(url, durable_backend.redis_url)) as bank:
        every_request = EveryRequest(bank)
        asks = await every_request.next_requests()
        run_sql(url, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        await read_only(bank, is_on=True)
        for name, ask in asks.items():
            reply = await ask()
            if name in {"me", "balance", "history", "holds", "statement", "list sessions"}:
                assert "errors" not in reply.body, (name, reply.body)
            else:
                assert (reply.status, reply.code) == (503, "UNAVAILABLE"), (name, reply.body)
                assert reply.body["errors"][0]["extensions"]["retryable"], name
        run_sql(url, "alter system set default_transaction_read_only = off", "select pg_reload_conf()")
        await read_only(bank, is_on=False)
        for name, ask in asks.items():
            assert "errors" not in (reply := await ask()).body, (name, reply.body)
        await bank.caught_up()
    assert (await verify(url)).findings == ()


async def read_only(bank: RunningBank, *, is_on: bool) -> None:
    """Wait until the sessions of the server have the new setting."""
    async with asyncio.timeout(5), bank.bank.database.connection() as connection:
        while await connection.fetchval("show default_transaction_read_only") != ("on" if is_on else "off"):
            await asyncio.sleep(0.01)


WIDER = (
    "alter table users alter column full_name type varchar(4000), alter column email type varchar(4000)",
    "alter table sessions alter column user_agent type varchar(4000)",
    "alter table accounts alter column status type varchar(4000), alter column number type varchar(4000)",
    "alter table transactions alter column description type varchar(4000)",
    "alter table holds alter column description type varchar(4000)",
    "alter table idempotency_keys alter column operation type varchar(4000)",
    "alter table event_store alter column event_type type varchar(4000)",
    "alter table subscriber_positions alter column subscriber type varchar(4000)",
)


async def test_a_changed_column_type_fails_no_request(running_bank: RunningBank, database_url: str) -> None:
    every_request = EveryRequest(running_bank)
    for _ in range(2):
        for name, ask in (await every_request.next_requests()).items():
            assert "errors" not in (reply := await ask()).body, (name, reply.body)
    asks = await every_request.next_requests()
    for change in WIDER:
        run_sql(database_url, change)
    for name, ask in asks.items():
        assert "errors" not in (reply := await ask()).body, (name, reply.body)
    await running_bank.caught_up()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/none?sslmode=disable",
        "postgresql://nobody@127.0.0.1:1,[::1]:1/none?sslmode=prefer",
    ],
)
def test_a_migration_reports_an_unreachable_server_with_one_sentence(url: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        upgrade(url)
