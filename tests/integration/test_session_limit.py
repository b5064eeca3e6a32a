"""A user has at most so many sessions: a login beyond the limit ends the oldest one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from bank.invariants.verify import verify
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.payers import SetClock

EMAIL = "ana@example.com"
GIVEN = {"email": EMAIL, "password": PASSWORD}
LIMIT = 10


@pytest.fixture
async def workers(database_url: str, redis_url: str) -> AsyncIterator[list[RunningBank]]:
    settings = settings_for(database_url, redis_url)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(settings)) for _ in range(2)]


async def _log_in(worker: RunningBank) -> str:
    """Log in, again after an answer that says that nothing was done, and return the access token."""
    while True:
        reply = await worker.client.run("Login", input=GIVEN)
        if "errors" not in reply.body:
            return str(reply.data["login"]["tokens"]["accessToken"])
        assert reply.code in {"OVERLOADED", "UNAVAILABLE"}, reply.body


async def _rows(worker: RunningBank) -> list[Any]:
    async with worker.bank.database.connection() as connection:
        return list(await connection.fetch("select id, created_at, closed_at from sessions order by created_at, id"))


async def test_50_logins_at_once_leave_the_ten_newest_sessions(workers: list[RunningBank], database_url: str) -> None:
    await workers[0].client.person(email=EMAIL)
    tokens = await asyncio.gather(*(_log_in(workers[number % 2]) for number in range(50)))
    rows = await _rows(workers[0])
    assert len(rows) == 51
    assert [row["closed_at"] is None for row in rows] == [False] * 41 + [True] * LIMIT
    open_ids = {row["id"] for row in rows[-LIMIT:]}
    for worker in workers:
        clients = [Client(worker.client.http, worker.client.url, token) for token in tokens]
        statuses = [(await client.run("Me")).status for client in clients]
        sessions = [worker.bank.tokens.verify(token).session_id for token in tokens]
        assert {session for session, status in zip(sessions, statuses, strict=True) if status == 200} == open_ids
        assert sorted(statuses) == [200] * LIMIT + [401] * 40
    async with workers[0].bank.database.connection() as connection:
        reasons = await connection.fetch(
            "select event_data ->> 'reason' as reason from event_store where event_type = 'SessionRevokedEvent'"
        )
    assert [row["reason"] for row in reasons] == ["SESSION_LIMIT"] * 41
    await workers[0].caught_up()
    assert not (await verify(database_url)).findings


async def test_the_limit_counts_the_open_sessions_of_one_user(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    settings = settings_for(database_url, redis_url, sessions_per_user=2)
    async with serving(settings, clock=clock) as bank:
        stranger, ended = await bank.client.person(), await bank.client.person(email=EMAIL)
        await ended.run("Logout")
        clients = []
        for _ in range(3):
            clock.moment += timedelta(seconds=1)
            clients.append(await bank.client.login(EMAIL))
        assert [(await client.run("Me")).status for client in (stranger, *clients)] == [200, 401, 200, 200]
        # Expired sessions do not count, and need no end.
        clock.moment += settings.refresh_token_life + timedelta(minutes=1)
        again = await bank.client.login(EMAIL)
        assert [row["closed_at"] is None for row in await _rows(bank)][-3:] == [True] * 3
        assert len((await again.run("Sessions")).data["sessions"]) == 1


async def test_a_lower_limit_ends_the_surplus_at_the_next_login(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url)) as bank:
        await bank.client.person(email=EMAIL)
        for _ in range(4):
            await bank.client.login(EMAIL)
    async with serving(settings_for(database_url, redis_url, sessions_per_user=3)) as bank:
        last = await bank.client.login(EMAIL)
        assert len((await last.run("Sessions")).data["sessions"]) == 3
