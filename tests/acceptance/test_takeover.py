"""kill -9 of the process that serves the subscribers: another one continues within two seconds, and skips no event."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.acceptance.test_serve import ENVIRONMENT, Server, serving
from tests.integration.api import Client

TAKEOVER_S = 2.0
BUSY_S = 0.5  # extra time for a machine with other load


async def _owners(database: Any) -> set[Any]:
    return {row["owner"] for row in await database.fetch("select owner from subscriber_positions")}


async def _kill_and_watch(first: Server, second: Server, database_url: str) -> tuple[float, float]:
    """Kill the first bank while users register at the second. Returns the times until the takeover and until no lag."""
    database = await asyncpg.connect(database_url)
    async with aiohttp.ClientSession() as http:
        client = Client(http, second.url)
        await client.person()
        served_by = await _owners(database)
        assert len(served_by) == 1
        assert None not in served_by
        first.process.kill()
        first.process.wait()
        killed = time.monotonic()
        person = await client.person()
        await person.account()
        async with asyncio.timeout(15):
            while served_by & await _owners(database):
                await asyncio.sleep(0.01)
            taken_over = time.monotonic() - killed
            behind = (
                "select exists (select from subscriber_positions s, event_log_head h where s.position < h.position)"
            )
            while await database.fetchval(behind):
                await asyncio.sleep(0.01)
            caught_up = time.monotonic() - killed
    audited = "select (select count(*) from event_store), count(*), count(distinct event_position) from audit_logs"
    events, rows, positions = await database.fetchrow(audited)
    assert events == rows == positions
    await database.close()
    return taken_over, caught_up


def test_another_process_serves_the_subscribers_two_seconds_after_the_first_was_killed(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    with serving(tmp_path / "first", **environment) as first, serving(tmp_path / "second", **environment) as second:
        taken_over, caught_up = asyncio.run(_kill_and_watch(first, second, database_url))
    assert taken_over < TAKEOVER_S + BUSY_S
    assert caught_up < TAKEOVER_S + 2 * BUSY_S
