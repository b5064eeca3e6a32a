"""A retry is safe after failures of connections, commits, servers and queues; a failed request uses up no key."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from bank.database.migrate import upgrade
from bank.errors import Overloaded
from bank.ledger import post
from fixtures.backends import Backend
from fixtures.faults import PostgresProxy, through_proxy, upstream_of
from tests.integration.api import Client, RunningBank, serving, settings_for
from tests.integration.books import Books
from tests.integration.payers import (
    HOLD_COMMITS,
    Payer,
    again_logged_in,
    codes,
    connected,
    keys_of,
    payer_at,
    waits_for_a_lock,
    without_mark,
)


@pytest.fixture
async def payer(running_bank: RunningBank) -> Payer:
    return await payer_at(running_bank)


async def test_a_replay_survives_a_restart_of_bank_redis_and_database(durable_backend: Backend) -> None:
    assert durable_backend.postgres is not None
    assert durable_backend.valkey is not None
    await asyncio.to_thread(upgrade, durable_backend.database_url)
    settings = settings_for(durable_backend.database_url, durable_backend.redis_url)
    async with serving(settings) as bank:
        payer = await payer_at(bank)
        first, refused = await payer.paid("k"), await payer.paid("too much", "1000.00")
    for server in (durable_backend.valkey, durable_backend.postgres):
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    async with serving(settings) as bank:
        payer.client.http, payer.client.url = bank.client.http, bank.client.url
        for payload, key, amount in ((first, "k", "10.00"), (refused, "too much", "1000.00")):
            again = await payer.paid(key, amount)
            assert again["replayed"]
            assert without_mark(again) == without_mark(payload)
        assert await payer.balances() == ("90.00", "10.00")


async def test_a_connection_that_breaks_before_the_commit_leaves_the_key_free(payer: Payer, database_url: str) -> None:
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from accounts for update")
        paying = asyncio.create_task(payer.pay("k"))
        await other.execute("select pg_terminate_backend($1)", await waits_for_a_lock(other))
        reply = await paying
    assert (reply.status, reply.code) == (503, "UNAVAILABLE")
    assert reply.body["errors"][0]["extensions"]["retryable"]
    payload = await payer.paid("k")
    assert (codes(payload), payload["replayed"]) == ([], False)
    assert await payer.balances() == ("90.00", "10.00")


async def test_a_connection_broken_in_the_commit_is_unknown_and_a_retry_resolves_it(
    payer: Payer, database_url: str
) -> None:
    async with connected(database_url) as other:
        await other.execute(HOLD_COMMITS)
        await other.execute("select pg_advisory_lock(1)")
        paying = asyncio.create_task(payer.pay("k"))
        await other.execute("select pg_terminate_backend($1)", await waits_for_a_lock(other))
        reply = await paying
        await other.execute("select pg_advisory_unlock(1)")
    assert (reply.status, reply.code) == (503, "OUTCOME_UNKNOWN")
    assert reply.body["errors"][0]["extensions"]["retryable"]
    payload = await payer.paid("k")
    assert (codes(payload), payload["replayed"]) == ([], False)
    assert await payer.balances() == ("90.00", "10.00")


@pytest.mark.parametrize("operation", ["Transfer", "OpenAccount"])
async def test_a_commit_without_a_reply_is_unknown_and_a_retry_resolves_it(
    database_url: str, redis_url: str, operation: str
) -> None:
    async with (
        PostgresProxy(upstream_of(database_url)) as proxy,
        serving(settings_for(through_proxy(database_url, proxy.port), redis_url)) as bank,
    ):
        payer = await payer_at(bank)
        await bank.caught_up()
        given = payer.input("k") if operation == "Transfer" else {"idempotencyKey": "k", "currency": "BRL"}
        proxy.cut_commit_replies()
        reply = await payer.client.run(operation, input=given)
        assert (reply.status, reply.code) == (503, "OUTCOME_UNKNOWN")
        assert reply.body["errors"][0]["extensions"]["retryable"]
        assert proxy.commit_replies_cut == 1
        payload = next(iter((await payer.client.run(operation, input=given)).data.values()))
        assert (codes(payload), payload["replayed"]) == ([], True)
        assert await payer.balances() == (("90.00", "10.00") if operation == "Transfer" else ("100.00", "0.00"))
        accounts = (await payer.client.run("Me")).data["me"]["accounts"]
        assert len(accounts) == (2 if operation == "Transfer" else 3)


@pytest.fixture
def short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let at most one command wait for the ledger."""
    monkeypatch.setattr(post, "QUEUE_MAX", 1)


@pytest.mark.usefixtures("short_queue")
async def test_a_full_queue_leaves_the_key_unused(books: Books, database_url: str) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    async with connected(database_url) as other:
        async with other.transaction():
            await other.execute("select from accounts for update")
            written = asyncio.create_task(books.transfer(ana, bia, "1.00", key="written"))
            await waits_for_a_lock(other)
            waiting = asyncio.create_task(books.transfer(ana, bia, "1.00", key="waiting"))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await books.transfer(ana, bia, "1.00", key="one too many")
        await asyncio.gather(written, waiting)
    assert not (await books.transfer(ana, bia, "1.00", key="one too many")).replayed
    assert await books.balances_minor(ana, bia) == [700, 300]


async def test_a_full_pool_leaves_the_key_unused(database_url: str, redis_url: str) -> None:
    settings = settings_for(database_url, redis_url, database_pool_size=6, database_pool_timeout_ms=500)
    async with serving(settings) as bank:
        payer = await payer_at(bank)
        await bank.caught_up()
        async with AsyncExitStack() as stack:
            while True:
                try:
                    await stack.enter_async_context(bank.bank.database.connection())
                except Overloaded:
                    break
            moved = await payer.pay("k")
            opened = await payer.client.run("OpenAccount", input={"idempotencyKey": "l", "currency": "BRL"})
        for reply in (moved, opened):
            assert (reply.status, reply.code) == (503, "OVERLOADED")
            assert reply.body["errors"][0]["extensions"]["retryable"]
        assert await keys_of(bank, "k", "l") == set()
        assert not (await payer.paid("k"))["replayed"]


async def test_requests_without_a_login_leave_the_key_unused(payer: Payer, running_bank: RunningBank) -> None:
    nobody = await running_bank.client.run("Transfer", input=payer.input("k"))
    forged = Client(running_bank.client.http, running_bank.client.url, f"{payer.client.token}x")
    forged_reply = await forged.run("Transfer", input=payer.input("k"))
    left = await again_logged_in(running_bank, payer)
    await left.run("Logout")
    late = await left.run("Transfer", input=payer.input("k"))
    assert (nobody.code, forged_reply.code, late.code) == ("UNAUTHENTICATED",) * 3
    assert await keys_of(running_bank, "k") == set()
    assert not (await payer.paid("k"))["replayed"]
    assert await payer.balances() == ("90.00", "10.00")


async def test_a_forbidden_request_leaves_the_key_unused(payer: Payer) -> None:
    money = {"amount": "1.00", "currency": "BRL"}
    deposit = {"idempotencyKey": "k", "accountNumber": payer.first["number"], "amount": money}
    assert (await payer.client.run("Deposit", input=deposit)).code == "FORBIDDEN"
    payload = await payer.paid("k")
    assert (codes(payload), payload["replayed"]) == ([], False)


@pytest.mark.parametrize(("operation", "held"), [("Transfer", "accounts"), ("OpenAccount", "users")])
async def test_a_request_that_waits_too_long_for_another_leaves_the_key_unused(
    database_url: str, redis_url: str, operation: str, held: str
) -> None:
    settings = settings_for(database_url, redis_url, database_statement_timeout_ms=1_000)
    async with serving(settings) as bank, connected(database_url) as other:
        payer = await payer_at(bank)
        given = payer.input("k") if operation == "Transfer" else {"idempotencyKey": "k", "currency": "BRL"}
        async with other.transaction():
            await other.execute(f"select from {held} for update")
            reply = await payer.client.run(operation, input=given)
        assert (reply.status, reply.code) == (503, "UNAVAILABLE")
        assert reply.body["errors"][0]["extensions"]["retryable"]
        payload = next(iter((await payer.client.run(operation, input=given)).data.values()))
        assert (codes(payload), payload["replayed"]) == ([], False)
