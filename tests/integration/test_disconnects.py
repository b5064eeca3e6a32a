"""A client that disconnects during a request leaves no open transaction and loses no connection of the pool."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

import contracts
from fixtures.faults import PostgresProxy, through_proxy, upstream_of
from tests.integration.api import Client, RunningBank, serving, settings_for

POOL_SIZE = 4


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[Any]:
    """A connection to the database that does not belong to the bank."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def send_and_leave(person: Client, operation: str, after: Any, **variables: Any) -> None:
    """Send a request, wait for `after`, and reset the connection without reading a byte."""
    address = urlsplit(person.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    document = (contracts.OPERATIONS / f"{operation}.graphql").read_text()
    body = json.dumps({"query": document, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {person.token}\r\nCache-Control: no-cache\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    await after
    writer.transport.abort()


async def until_pool_is_free(running: RunningBank, direct: Any) -> None:
    """Wait until the bank has no open transaction; then borrow every connection of its pool at once."""
    open_transactions = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'bank'"
        " and xact_start is not null"
    )
    async with asyncio.timeout(10):
        while await direct.fetchval(open_transactions):
            await asyncio.sleep(0.01)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            connection = await stack.enter_async_context(running.bank.database.connection())
            assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("operation", ["Transfer", "Me", "OpenAccount"])
async def test_a_disconnect_during_a_waiting_statement_leaks_no_transaction_and_no_connection(
    database_url: str, redis_url: str, direct: Any, operation: str
) -> None:
    settings = settings_for(database_url, redis_url, database_pool_size=POOL_SIZE)
    async with serving(settings) as running:
        person = await running.client.person()
        first, second = await person.account("a"), await person.account("b")
        await (await running.staff()).deposit(first["number"], "10.00", "d")
        await running.caught_up()
        money = {"amount": "1.00", "currency": "BRL"}
        transfer = {"fromAccountId": first["id"], "toAccountNumber": second["number"], "amount": money}
        given: dict[str, Any] = {
            "Transfer": {"input": {"idempotencyKey": "t", **transfer}},
            "Me": {},
            "OpenAccount": {"input": {"idempotencyKey": "c", "currency": "BRL"}},
        }[operation]

        async def it_waits() -> None:
            waiting = (
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
            async with asyncio.timeout(4):
                while not await direct.fetchval(waiting):
                    await asyncio.sleep(0.01)

        async with direct.transaction():
            await direct.execute("lock table accounts in access exclusive mode")
            await send_and_leave(person, operation, it_waits(), **given)
        await until_pool_is_free(running, direct)
        # The client did not receive the answer; the same request returns the outcome.
        assert (await person.run(operation, **given)).status == 200
        assert await direct.fetchval("select count(*) from transactions where kind = 'TRANSFER'") <= 1


async def test_disconnects_at_any_moment_leak_no_transaction_and_move_no_money_twice(
    database_url: str, redis_url: str, direct: Any
) -> None:
    random = Random(5)
    async with PostgresProxy(upstream_of(database_url)) as proxy:
        settings = settings_for(through_proxy(database_url, proxy.port), redis_url, database_pool_size=POOL_SIZE)
        async with serving(settings) as running:
            person = await running.client.person()
            first, second = await person.account("a"), await person.account("b")
            await (await running.staff()).deposit(first["number"], "100.00", "d")
            money = {"amount": "1.00", "currency": "BRL"}
            proxy.delay_s = 0.01
            leaving = []
            for number in range(24):
                moment = asyncio.sleep(random.uniform(0, 0.25))
                given = {"fromAccountId": first["id"], "toAccountNumber": second["number"], "amount": money}
                request = {"input": {"idempotencyKey": f"t{number // 2}", **given}} if number % 3 else {}
                leaving.append(send_and_leave(person, "Transfer" if request else "Me", moment, **request))
            await asyncio.gather(*leaving)
            proxy.delay_s = 0.0
            await until_pool_is_free(running, direct)
            for number in range(12):
                reply = await person.transfer(first["id"], second["number"], "1.00", f"t{number}")
                assert reply.data["transfer"]["userErrors"] == []
            assert await person.balance(second["id"], headers={"Cache-Control": "no-cache"}) == "12.00"
            await running.caught_up()
