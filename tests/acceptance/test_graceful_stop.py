"""SIGTERM: requests in flight are finished and answered, and leases are released at once."""

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.acceptance.test_serve import ENVIRONMENT, Server, _prepare, serving
from tests.integration.api import Client, Reply
from tests.integration.payers import waits_for_a_lock

OWNERS = "select count(*) filter (where owner is not null) from subscriber_positions"


def _wait_for_line(log: Path, event: str) -> None:
    """Wait until the log has a line of this event."""
    deadline = time.monotonic() + 20
    while not any(f'"{event}"' in line for line in log.read_text().splitlines()):
        assert time.monotonic() < deadline, f"there is no line {event}"
        time.sleep(0.01)


async def _stop_in_the_middle(server: Server, database_url: str, log: Path) -> tuple[Reply, Reply]:
    """Send a transfer and a read that wait for a lock, and stop the bank. Releases the lock after that."""
    token, first, second = await _prepare(server.url, database_url)
    connection = await asyncpg.connect(database_url)
    watcher = await asyncpg.connect(database_url)
    async with aiohttp.ClientSession() as http:
        person = Client(http, server.url, token)
        async with connection.transaction():
            await connection.execute("lock table accounts in access exclusive mode")
            transfer = asyncio.create_task(person.transfer(first["id"], second["number"], "1.00", "t"))
            read = asyncio.create_task(person.run("Me", headers={"Cache-Control": "no-cache"}))
            await _two_wait(watcher)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(_wait_for_line, log, "stopping")
            # In the meantime new connections are refused, and open connections are kept.
            await _refuses(server.url)
            assert not transfer.done()
            assert not read.done()
        replies = await transfer, await read
    await connection.close()
    await watcher.close()
    return replies


async def _two_wait(connection: Any) -> None:
    await waits_for_a_lock(connection)
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with asyncio.timeout(10):
        while await connection.fetchval(waiting) < 2:
            await asyncio.sleep(0.01)


async def _refuses(url: str) -> None:
    """Wait until connections are refused."""
    async with asyncio.timeout(10), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{url}/health/live"):
                    await asyncio.sleep(0.01)
            except (aiohttp.ClientError, ConnectionError):
                return


def test_requests_in_flight_are_answered_before_the_bank_stops(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    log = tmp_path / "log"
    with serving(log, **environment) as server:
        transfer, read = asyncio.run(_stop_in_the_middle(server, database_url, log))
        assert server.process.wait(timeout=30) == 0
    assert (transfer.status, transfer.data["transfer"]["userErrors"]) == (200, [])
    assert (read.status, len(read.data["me"]["accounts"])) == (200, 2)
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "stopped"


async def _leases(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        count: int = await connection.fetchval(OWNERS)
        return count
    finally:
        await connection.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_bank_releases_every_lease(
    database_url: str, redis_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    environment: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    with serving(tmp_path / "log", **environment) as server:
        asyncio.run(_served(database_url))
        server.process.send_signal(how)
        assert server.process.wait(timeout=30) == 0
    assert asyncio.run(_leases(database_url)) == 0


async def _served(database_url: str) -> None:
    async with asyncio.timeout(10):
        while not await _leases(database_url):
            await asyncio.sleep(0.01)
