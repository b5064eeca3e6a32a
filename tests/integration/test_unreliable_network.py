"""The answers to clients while the network to the database or to Redis is slow, cut or silent, and the recovery."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import asyncpg
import pytest

from bank.database.migrate import upgrade
from bank.database.pool import Database
from bank.errors import Overloaded
from fixtures.backends import Backend
from fixtures.faults import FaultProxy, PostgresProxy, through_proxy, upstream_of
from tests.integration.api import Client, Reply, RunningBank, serving, settings_for

NO_CACHE = {"Cache-Control": "no-cache"}
SOON_S = 15.0
"""The maximum time from the end of a fault to the recovery of the bank, without an operator."""


@dataclass
class ProxiedBank:
    """A bank behind proxies, a user with two accounts and 10.00, and a direct connection to the database."""

    running: RunningBank
    database: PostgresProxy
    redis: FaultProxy
    direct: Any
    person: Client
    accounts: tuple[dict[str, Any], dict[str, Any]]

    async def transfer(self, key: str) -> Reply:
        return await self.person.transfer(self.accounts[0]["id"], self.accounts[1]["number"], "1.00", key)

    async def cut_the_next_commit(self) -> None:
        """Drop the reply to the next COMMIT. No other transaction is running at that time."""
        await self.running.caught_up()
        self.database.cut_commit_replies(1)

    async def balances(self, **more: Any) -> tuple[str, str]:
        first, second = [await self.person.balance(account["id"], **more) for account in self.accounts]
        return first, second

    async def until_recovered(self) -> float:
        """Repeat a transfer and a read past the cache until they succeed. Returns the seconds that this took."""
        began = perf_counter()
        async with asyncio.timeout(SOON_S):
            while (await self.transfer("back")).status != 200:
                await asyncio.sleep(0.05)
            while (await self.person.run("Me", headers=NO_CACHE)).status != 200:
                await asyncio.sleep(0.05)
        return perf_counter() - began


@pytest.fixture
async def proxied(database_url: str, redis_url: str) -> AsyncIterator[ProxiedBank]:
    # Time-outs are a tenth of the usual ones, because only their proportions matter.
    quick = {"database_pool_timeout_ms": 300, "database_statement_timeout_ms": 1_000, "database_pool_size": 6}
    direct = await asyncpg.connect(database_url)
    async with PostgresProxy(upstream_of(database_url)) as database, FaultProxy(upstream_of(redis_url)) as redis:
        settings = settings_for(
            through_proxy(database_url, database.port), through_proxy(redis_url, redis.port), **quick
        )
        async with serving(settings) as running:
            person = await running.client.person()
            accounts = (await person.account("a"), await person.account("b"))
            await (await running.staff()).deposit(accounts[0]["number"], "10.00", "d")
            await running.caught_up()
            yield ProxiedBank(running, database, redis, direct, person, accounts)
            database.unblock()
            redis.unblock()
    await direct.close()


async def test_a_transfer_without_a_commit_reply_is_unknown_and_a_retry_resolves_it(
    proxied: ProxiedBank,
) -> None:
    await proxied.cut_the_next_commit()
    lost = await proxied.transfer("t")
    assert proxied.database.commit_replies_cut == 1
    assert (lost.status, lost.code) == (503, "OUTCOME_UNKNOWN")
    assert lost.body["errors"][0]["extensions"]["retryable"]
    assert lost.headers["Retry-After"] == "1"

    again = (await proxied.transfer("t")).data["transfer"]
    assert (again["replayed"], again["userErrors"]) == (True, [])
    assert await proxied.direct.fetchval("select count(*) from transactions where kind = 'TRANSFER'") == 1
    assert await proxied.balances(headers=NO_CACHE) == ("9.00", "1.00")


async def test_a_read_after_a_replay_shows_the_effect_of_the_first_request(proxied: ProxiedBank) -> None:
    for number in range(5):
        assert await proxied.balances() == (f"{10 - number}.00", f"{number}.00")  # so that they are in the cache
        await proxied.cut_the_next_commit()
        assert (await proxied.transfer(f"t{number}")).code == "OUTCOME_UNKNOWN"
        assert (await proxied.transfer(f"t{number}")).data["transfer"]["replayed"]
        assert await proxied.balances() == (f"{9 - number}.00", f"{1 + number}.00")


async def test_an_opening_without_a_commit_reply_creates_one_account_that_a_retry_shows(proxied: ProxiedBank) -> None:
    assert len((await proxied.person.run("Me")).data["me"]["accounts"]) == 2  # so that it is in the cache
    await proxied.cut_the_next_commit()
    given = {"idempotencyKey": "c", "currency": "BRL"}
    assert (await proxied.person.run("OpenAccount", input=given)).code == "OUTCOME_UNKNOWN"
    assert (await proxied.person.run("OpenAccount", input=given)).data["openAccount"]["replayed"]
    assert len((await proxied.person.run("Me")).data["me"]["accounts"]) == 3


async def test_a_delivery_without_a_commit_reply_leaves_one_audit_row_for_each_event(proxied: ProxiedBank) -> None:
    for number in range(8):
        proxied.database.cut_commit_replies(2)  # one for the posting, one for the following delivery
        async with asyncio.timeout(10):
            while (await proxied.transfer(f"t{number}")).status != 200 or proxied.database.commit_replies_to_cut:
                await asyncio.sleep(0.01)
    assert proxied.database.commit_replies_cut == 16
    await proxied.running.caught_up()
    counts = "select (select count(*) from event_store), count(*), count(distinct event_position) from audit_logs"
    events, rows, positions = await proxied.direct.fetchrow(counts)
    assert events == rows == positions
    assert await proxied.direct.fetchval("select count(*) from dead_letters") == 0


async def test_requests_to_a_silent_database_are_refused_in_time_and_succeed_afterwards(proxied: ProxiedBank) -> None:
    assert (await proxied.transfer("before")).status == 200  # the next one fails inside of its transaction
    proxied.database.block()
    began = perf_counter()
    asked = [proxied.transfer(f"t{n}") for n in range(10)]
    asked += [proxied.person.run("Me", headers=NO_CACHE) for _ in range(10)]
    replies = await asyncio.gather(*asked)
    # The time-out of a statement and one second, then the time-out of the pool for the waiting requests, and slack.
    assert perf_counter() - began < (1.0 + 1.0) + 0.3 + 1.5
    assert {reply.status for reply in replies} == {503}
    assert {reply.code for reply in replies} <= {"UNAVAILABLE", "OVERLOADED", "OUTCOME_UNKNOWN"}
    await asyncio.sleep(1)  # long enough for every loop of the bank to use a silent connection
    proxied.database.unblock()
    assert await proxied.until_recovered() < SOON_S
    await proxied.running.caught_up()
    # There were 10.00, of which `before` and `back` have sent two, so eight of the ten transfers succeed once.
    for number in range(10):
        await proxied.transfer(f"t{number}")
    assert await proxied.direct.fetchval("select count(*) from transactions where kind = 'TRANSFER'") == 10
    assert await proxied.balances(headers=NO_CACHE) == ("0.00", "10.00")


async def test_requests_succeed_after_every_connection_was_cut(proxied: ProxiedBank) -> None:
    for number in range(5):
        assert proxied.database.cut() >= 4
        assert await proxied.until_recovered() < 5
        assert (await proxied.transfer(f"t{number}")).data["transfer"]["userErrors"] == []
    await proxied.running.caught_up()


async def test_a_slow_database_delays_answers_and_changes_none(proxied: ProxiedBank) -> None:
    proxied.database.delay_s = 0.03
    replies = await asyncio.gather(*[proxied.transfer(f"t{n}") for n in range(5)])
    assert [reply.data["transfer"]["userErrors"] for reply in replies] == [[]] * 5
    assert proxied.database.delayed > 10
    proxied.database.delay_s = 0.0
    assert await proxied.balances(headers=NO_CACHE) == ("5.00", "5.00")


@pytest.mark.parametrize("fault", ["silent", "cut"])
async def test_transfers_and_reads_are_correct_during_an_outage_of_redis(proxied: ProxiedBank, fault: str) -> None:
    assert await proxied.balances() == ("10.00", "0.00")
    proxied.redis.block()
    if fault == "cut":
        proxied.redis.cut()
    for number in range(4):
        reply = await proxied.transfer(f"t{number}")
        assert (reply.status, reply.data["transfer"]["userErrors"]) == (200, [])
        assert await proxied.balances() == (f"{9 - number}.00", f"{1 + number}.00")
    proxied.redis.unblock()
    async with asyncio.timeout(SOON_S):
        while (await proxied.person.run("Me")).headers["Cache-Status"] != "bank; hit":
            await asyncio.sleep(0.05)
    assert await proxied.balances() == ("6.00", "4.00")
    await proxied.running.caught_up()


async def test_transfers_are_correct_while_redis_is_dead_and_use_it_after_its_restart(
    durable_backend: Backend,
) -> None:
    assert durable_backend.valkey is not None
    await asyncio.to_thread(upgrade, durable_backend.database_url)
    async with serving(settings_for(durable_backend.database_url, durable_backend.redis_url)) as running:
        person = await running.client.person()
        first, second = await person.account("a"), await person.account("b")
        await (await running.staff()).deposit(first["number"], "10.00", "d")
        durable_backend.valkey.kill()
        for number in range(4):
            reply = await person.transfer(first["id"], second["number"], "1.00", f"t{number}")
            assert (reply.status, reply.data["transfer"]["userErrors"]) == (200, [])
            assert await person.balance(second["id"]) == f"{1 + number}.00"
        await asyncio.to_thread(durable_backend.valkey.start)
        async with asyncio.timeout(SOON_S):
            while (await person.run("Me")).headers["Cache-Status"] != "bank; hit":
                await asyncio.sleep(0.05)
        assert await person.balance(second["id"]) == "4.00"
        await running.caught_up()


async def test_connection_attempts_continue_after_their_callers_have_stopped_waiting(database_url: str) -> None:
    size = 6
    async with PostgresProxy(upstream_of(database_url)) as proxy:
        database = Database(
            through_proxy(database_url, proxy.port),
            pool_size=size,
            pool_timeout_ms=200,
            statement_timeout_ms=1_000,
        )
        await database.open()
        try:
            proxy.delay_s = 0.1  # a connection takes four of these, 0.4 s; a caller waits 0.2 s for one
            assert proxy.cut() == 4
            accepted = proxy.accepted
            refused = 0

            async def connect() -> None:
                nonlocal refused
                while True:
                    try:
                        async with database.connection():
                            return
                    except Overloaded:
                        refused += 1

            async with asyncio.timeout(SOON_S):
                await asyncio.gather(*[connect() for _ in range(2 * size)])
            assert refused >= size
            assert proxy.accepted - accepted <= size
        finally:
            await database.close()
