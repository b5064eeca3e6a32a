"""A worker process that is stopped during a batch: the others continue to write, and no payment is lost."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import asyncpg

from fixtures.backends.reach import run_sql
from tests.acceptance.test_serve import ENVIRONMENT, serving
from tests.integration.api import Client
from tests.integration.encryption import set_role

# A client waits for ten seconds or more. PostgreSQL ends a transaction that is idle for half a second; the rest is for
# a busy machine.
HELD_UP_MAX_S = 3.0
PAYERS = 8
ATTEMPTS = 5
# The posting lock; PostgreSQL shows its number in two halves.
HOLDERS = """
    select a.state from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and (l.classid::bigint << 32 | l.objid::bigint) = 7205759404
    and l.mode = 'ExclusiveLock' and l.granted and a.datname = current_database()
"""


class Payers:
    """Clients that pay one after the other through one worker, and their replies."""

    def __init__(self, client: Client, account: dict[str, Any], target: dict[str, Any]) -> None:
        self._client, self._account, self._target = client, account, target
        self._numbers = itertools.count()
        self._ends = asyncio.Event()
        self.replies: list[Any] = []

    async def pay_once(self) -> None:
        key = f"{self._client.url}-{next(self._numbers)}"
        for _ in range(ATTEMPTS):
            reply = await self._client.transfer(self._account["id"], self._target["number"], "0.01", key)
            # A request that waits longer for a stopped process than its statement time-out gets a retryable error.
            if "errors" not in reply.body or not reply.body["errors"][0]["extensions"]["retryable"]:
                break
        self.replies.append(reply.data["transfer"])

    @asynccontextmanager
    async def paying(self) -> AsyncIterator[None]:
        async def pay() -> None:
            while not self._ends.is_set():
                await self.pay_once()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(PAYERS):
                tasks.create_task(pay())
            try:
                yield
            finally:
                self._ends.set()


async def _stop_in_a_batch(pid: int, database: asyncpg.Connection) -> None:
    """Stop a process at a moment at which it has the posting lock and the server waits for its next statement."""
    async with asyncio.timeout(60):
        while True:
            os.kill(pid, signal.SIGSTOP)
            while (state := await database.fetchval(HOLDERS)) == "active":
                pass
            if state == "idle in transaction":
                return
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.001)


async def _stop_one_and_write_through_the_other(
    database_url: str, stopped_url: str, stopped_pid: int, other_url: str
) -> tuple[float, int]:
    """Return the delay of the first write of the other worker, and the number of acknowledged payments."""
    database = await asyncpg.connect(database_url)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        nobody = Client(http, stopped_url)
        ana = await nobody.person(email="ana@example.com")
        bia = await nobody.person(email="bia@example.com")
        account, target = await ana.account(), await bia.account()
        # Staff make no deposits to their own accounts.
        await set_role(database, "bia@example.com", "OPERATOR", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        teller = await nobody.login("bia@example.com")
        assert (await teller.deposit(account["number"], "1000.00", "d"))["userErrors"] == []
        through_stopped = Payers(ana, account, target)
        through_other = Payers(Client(http, other_url, ana.token), account, target)
        await through_other.pay_once()
        try:
            async with through_stopped.paying():
                await _stop_in_a_batch(stopped_pid, database)
                before, began = len(through_stopped.replies), monotonic()
                await through_other.pay_once()
                held_up_s = monotonic() - began
                for _ in range(5):
                    await through_other.pay_once()
                # The stopped process answered nothing in the meantime: its batch was rolled back.
                assert len(through_stopped.replies) == before
                os.kill(stopped_pid, signal.SIGCONT)
        finally:
            os.kill(stopped_pid, signal.SIGCONT)
        assert len(through_stopped.replies) >= before + PAYERS
        replies = [*through_stopped.replies, *through_other.replies]
        assert [reply for reply in replies if not reply["transaction"]] == []
        assert len({reply["transaction"]["id"] for reply in replies}) == len(replies)
        cents = 100_000 - len(replies)
        for url in (stopped_url, other_url):
            balance = await Client(http, url, teller.token).balance(account["id"])
            assert balance == f"{cents // 100}.{cents % 100:02}"
    await database.close()
    return held_up_s, len(replies)


def test_a_stopped_worker_delays_the_others_briefly_and_decides_its_batch_again(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    urls: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    with (
        serving(tmp_path / "stopped.log", **urls, **ENVIRONMENT) as stopped,
        serving(tmp_path / "other.log", **urls, **ENVIRONMENT) as other,
    ):
        work = _stop_one_and_write_through_the_other(database_url, stopped.url, stopped.process.pid, other.url)
        held_up_s, acknowledged = asyncio.run(work)
    assert held_up_s < HELD_UP_MAX_S
    [[moved]] = run_sql(database_url, "select count(*) from transactions where kind = 'TRANSFER'")
    assert moved == acknowledged
    for log in ("stopped.log", "other.log"):
        assert '"level":"error"' not in (tmp_path / log).read_text()
