"""Two workers of one bank, of which the first reaches Redis through a proxy, and a customer who uses both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import Client, RunningBank, serving, settings_for


@dataclass
class TwoWorkers:
    """Two workers, and two accounts of one user with 100.00 in the first."""

    first: RunningBank
    second: RunningBank
    proxy: FaultProxy
    on_first: Client
    on_second: Client
    account: dict[str, Any]
    other: dict[str, Any]
    moved: int = 0

    async def transfer_cent(self, *, through: Client | None = None) -> None:
        """Transfer a cent, by default through the first worker."""
        self.moved += 1
        money = "0.01"
        reply = await (through or self.on_first).transfer(
            self.account["id"], self.other["number"], money, f"move-{self.moved}"
        )
        assert reply.data["transfer"]["userErrors"] == []

    async def check_balances(self, through: Client) -> None:
        """Check that a worker shows the current balances, in an answer about one account and in one about both."""
        left, right = 10_000 - self.moved, self.moved
        assert _cents(await through.balance(self.account["id"])) == left
        assert _cents(await through.balance(self.other["id"])) == right
        accounts = (await through.run("Me")).data["me"]["accounts"]
        assert [_cents(account["balance"]["amount"]) for account in accounts] == [left, right]

    async def until_hit(self, through: Client) -> None:
        """Repeat a query until its answer comes from the cache."""
        while (await through.run("Me")).headers["Cache-Status"] != "bank; hit":
            pass


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


@asynccontextmanager
async def serve_two_workers(
    database_url: str, redis_url: str, *, second_database_url: str | None = None
) -> AsyncIterator[TwoWorkers]:
    """Serve two workers that share a database and a Redis."""
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        near = settings_for(database_url, through_proxy(redis_url, proxy.port))
        far = settings_for(second_database_url or database_url, redis_url)
        async with serving(near) as first, serving(far) as second:
            on_first = await first.client.person()
            on_second = Client(second.client.http, second.client.url, on_first.token)
            account, other = await on_first.account("a"), await on_first.account("b")
            await (await first.staff()).deposit(account["number"], "100.00", "d")
            workers = TwoWorkers(first, second, proxy, on_first, on_second, account, other)
            await workers.check_balances(on_first)
            await workers.check_balances(on_second)
            yield workers
