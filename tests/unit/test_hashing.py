"""The hashing threads have a bounded queue, and a flood of one client does not delay the others."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bank.errors import Overloaded
from bank.identity import hashing
from bank.identity.hashing import THREADS, WAITING_MAX, HashingThreads
from bank.telemetry.context import RequestContext, enter_context


class HashingClients:
    """Clients of the hashing threads, which are busy until `go` is set; `done` lists the finished clients."""

    def __init__(self) -> None:
        self.threads = HashingThreads()
        self.go = threading.Event()
        self.done: list[str] = []

    async def ask(self, address: str, account: str) -> str:
        enter_context(RequestContext("c", ip_address=address))

        async def prepare() -> Callable[[], str]:
            return lambda: self._work(f"{address} {account}")

        result: str = await self.threads.run(prepare, account=account)
        return result

    def _work(self, name: str) -> str:
        self.go.wait(10)
        self.done.append(name)
        return name

    async def flood(self, count: int, address: str = "192.0.2.1", account: str = "ana") -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(self.ask(address, account)) for _ in range(count)]
        await asyncio.sleep(0)  # now each client has asked
        await asyncio.sleep(0)  # now the first ones are being served
        return tasks


@pytest.fixture
async def clients() -> AsyncIterator[HashingClients]:
    clients = HashingClients()
    yield clients
    clients.go.set()
    clients.threads.close()


async def _overloaded(tasks: list[asyncio.Task[str]]) -> int:
    await asyncio.sleep(0)
    return sum(task.done() and isinstance(task.exception(), Overloaded) for task in tasks)


async def _all(*asked: Awaitable[object]) -> None:
    await asyncio.gather(*asked, return_exceptions=True)


async def test_a_request_to_a_full_queue_is_refused_at_once(clients: HashingClients) -> None:
    flood = await clients.flood(300)
    assert await _overloaded(flood) == 300 - THREADS - WAITING_MAX
    clients.go.set()
    await _all(*flood)
    assert len(clients.done) == THREADS + WAITING_MAX


@pytest.mark.parametrize(("address", "account"), [("192.0.2.9", "ana"), ("192.0.2.9", "bia"), ("192.0.2.1", "bia")])
async def test_a_login_of_another_client_is_served_next_during_a_flood(
    clients: HashingClients, address: str, account: str
) -> None:
    flood = await clients.flood(300)
    honest = asyncio.create_task(clients.ask(address, account))
    flood += await clients.flood(300)
    clients.go.set()
    # Only the clients in service and at most as many others are faster.
    assert clients.done.index(await honest) < 2 * THREADS
    await _all(*flood)


async def test_an_ipv6_network_counts_as_one_client(clients: HashingClients) -> None:
    flood = [task for i in range(200) for task in await clients.flood(1, f"2001:db8::{i:x}", f"somebody {i}")]
    honest = asyncio.create_task(clients.ask("2001:db8:1::1", "somebody else"))
    await asyncio.sleep(0)
    clients.go.set()
    assert clients.done.index(await honest) < 2 * THREADS
    await _all(*flood)


async def test_a_cancelled_request_releases_its_place_in_the_queue(clients: HashingClients) -> None:
    flood = await clients.flood(THREADS + WAITING_MAX)
    for task in flood:
        task.cancel()
    await _all(*flood)
    later = await clients.flood(WAITING_MAX)
    assert await _overloaded(later) == 0
    clients.go.set()
    await _all(*later)
    assert len(clients.done) >= WAITING_MAX


async def test_an_exception_of_the_function_is_raised_to_its_caller(clients: HashingClients) -> None:
    async def prepare() -> Callable[[], int]:
        return lambda: 1 // 0

    for _ in range(THREADS + 1):
        with pytest.raises(ZeroDivisionError):
            await clients.threads.run(prepare, account="ana")


async def test_the_waiting_time_is_bounded_on_a_slow_machine(
    clients: HashingClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WAIT_MAX_S", 0.05)
    flood = await clients.flood(THREADS + WAITING_MAX)
    async with asyncio.timeout(5):
        while await _overloaded(flood) < WAITING_MAX:
            await asyncio.sleep(0.01)
    clients.go.set()
    await _all(*flood)
    assert len(clients.done) == THREADS
