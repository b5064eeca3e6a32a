"""kill -9 of the bank before, in and after the commit of a transfer: a retry with the same key pays exactly once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bank.database.migrate import upgrade
from fixtures.backends import Backend
from tests.acceptance.test_serve import ENVIRONMENT, Server, serving
from tests.integration.api import Client
from tests.integration.encryption import set_role
from tests.integration.payers import HOLD_COMMITS, Payer, codes, connected, waits_for_a_lock, without_mark

# Between the commit and the answer, the bank writes to Redis. A long time-out keeps it there until it is killed.
REDIS_TIMEOUT_MS = "10000"
TRANSFERS = "select count(*) from transactions where kind = 'TRANSFER'"


@dataclass
class PayingUser:
    """A user who pays, a direct connection to the database, and the processes that the test stops."""

    backend: Backend
    database: Any
    bank: Server
    payer: Payer
    paying: "asyncio.Task[Any] | None" = None

    async def pay(self) -> None:
        """Send the transfer, and return when it waits for the lock of the test."""
        self.paying = asyncio.create_task(self.payer.paid("k"))
        waiting = asyncio.create_task(waits_for_a_lock(self.database))
        await asyncio.wait({self.paying, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not self.paying.done(), f"the transfer did not wait: {self.paying.result()}"
        await waiting

    async def kill(self) -> None:
        """Send SIGKILL to the bank, which has not answered yet."""
        assert self.paying is not None
        assert not self.paying.done()
        self.bank.process.kill()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await self.paying


async def _kill_before_commit(user: PayingUser) -> None:
    """Kill the bank while it waits for the accounts of the posting."""
    async with user.database.transaction():
        await user.database.execute("select from accounts for update")
        await user.pay()
        await user.kill()


async def _kill_in_commit(user: PayingUser) -> None:
    """Kill the bank while PostgreSQL executes the COMMIT and has not replied."""
    await user.database.execute(HOLD_COMMITS)
    await user.database.execute("select pg_advisory_lock(1)")
    await user.pay()
    await user.kill()
    await user.database.execute("select pg_advisory_unlock(1)")


async def _kill_after_commit(user: PayingUser) -> None:
    """Kill the bank after the commit and before the answer."""
    assert user.backend.valkey is not None
    redis_pid = user.backend.valkey.pid
    assert redis_pid is not None
    async with user.database.transaction():
        await user.database.execute("select from accounts for update")
        await user.pay()
        os.kill(redis_pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            while not await user.database.fetchval(TRANSFERS):
                await asyncio.sleep(0.01)
        await user.kill()
    finally:
        os.kill(redis_pid, signal.SIGCONT)


Kill = Callable[[PayingUser], Awaitable[None]]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kill", "took_effect"),
    [(_kill_before_commit, False), (_kill_in_commit, True), (_kill_after_commit, True)],
    ids=["before", "in", "after"],
)
def test_a_retry_after_a_kill_around_the_commit_pays_exactly_once(
    durable_backend: Backend, tmp_path: Path, kill: Kill, took_effect: bool
) -> None:
    upgrade(durable_backend.database_url)
    environment: dict[str, Any] = {
        "DATABASE_URL": durable_backend.database_url,
        "REDIS_URL": durable_backend.redis_url,
        "BANK_REDIS_TIMEOUT_MS": REDIS_TIMEOUT_MS,
        **ENVIRONMENT,
    }
    with serving(tmp_path / "log", **environment) as bank:
        payer = asyncio.run(_pay_until_killed(bank, durable_backend, kill))
    with serving(tmp_path / "log", **environment) as bank:
        asyncio.run(_retry(bank, durable_backend, payer, took_effect=took_effect))


async def _pay_until_killed(bank: Server, backend: Backend, kill: Kill) -> Payer:
    async with aiohttp.ClientSession() as http, connected(backend.database_url) as database:
        client = Client(http, bank.url)
        person = await client.person()
        payer = Payer(person, await person.account("a"), await person.account("b"))
        await client.person(email="root@example.com")
        await set_role(database, "root@example.com", "ADMIN", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        await (await client.login("root@example.com")).deposit(payer.first["number"], "100.00", "d")
        await kill(PayingUser(backend, database, bank, payer))
        # The server first finishes or rolls back the statements of the killed bank, then it closes its connections.
        others = "select count(*) from pg_stat_activity where application_name = 'bank'"
        async with asyncio.timeout(10):
            while await database.fetchval(others):
                await asyncio.sleep(0.01)
        return payer


async def _retry(bank: Server, backend: Backend, payer: Payer, *, took_effect: bool) -> None:
    async with aiohttp.ClientSession() as http, connected(backend.database_url) as database:
        payer.client.http, payer.client.url = http, bank.url
        first, again = await payer.paid("k"), await payer.paid("k")
        assert (codes(first), first["replayed"]) == ([], took_effect)
        assert again["replayed"]
        assert without_mark(again) == without_mark(first)
        assert await payer.balances() == ("90.00", "10.00")
        assert await database.fetchval(TRANSFERS) == 1
