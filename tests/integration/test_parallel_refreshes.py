"""Refreshes of one token at the same time, on two workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for

EMAIL = "ana@example.com"


@pytest.fixture
async def workers(database_url: str, redis_url: str) -> AsyncIterator[list[RunningBank]]:
    settings = settings_for(database_url, redis_url)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(settings)) for _ in range(2)]


async def _log_in(worker: RunningBank) -> str:
    await worker.client.person(email=EMAIL)
    reply = await worker.client.run("Login", input={"email": EMAIL, "password": PASSWORD})
    return str(reply.data["login"]["tokens"]["refreshToken"])


async def _refresh(worker: RunningBank, token: str) -> Any:
    reply = await worker.client.run("RefreshSession", input={"refreshToken": token})
    return reply.data["refreshSession"]["tokens"]


async def _count(worker: RunningBank, event_type: str) -> int:
    async with worker.bank.database.connection() as connection:
        return int(await connection.fetchval("select count(*) from event_store where event_type = $1", event_type))


async def test_20_refreshes_of_one_token_at_once_give_one_successor(workers: list[RunningBank]) -> None:
    token = await _log_in(workers[0])
    pairs = await asyncio.gather(*(_refresh(workers[number % 2], token) for number in range(20)))
    assert len({pair["refreshToken"] for pair in pairs}) == 1
    for worker in workers:
        for pair in pairs:
            client = Client(worker.client.http, worker.client.url, pair["accessToken"])
            assert (await client.run("Me")).status == 200
    counts = [await _count(workers[0], name) for name in ("SessionRefreshedEvent", "SessionRefreshRepeatedEvent")]
    assert counts == [1, 19]
    assert await _refresh(workers[1], pairs[0]["refreshToken"]) is not None


async def test_a_used_token_and_its_successor_at_once_never_give_two_branches(workers: list[RunningBank]) -> None:
    """Whichever of the two comes first: after it, the session has one token that can be used, or it is closed."""
    token = await _log_in(workers[0])
    for _ in range(10):
        successor = (await _refresh(workers[0], token))["refreshToken"]
        again, following = await asyncio.gather(_refresh(workers[0], token), _refresh(workers[1], successor))
        if again is None:
            # The successor was first, so the used token counted as stolen.
            assert await _count(workers[0], "RefreshTokenReusedEvent") == 1
            assert await _refresh(workers[1], following["refreshToken"]) is None
            break
        assert again["refreshToken"] == successor
        assert following is not None
        token = following["refreshToken"]
