"""The injector causes a fault until a request is affected, and no longer than necessary."""

import asyncio
from time import monotonic_ns
from types import SimpleNamespace
from typing import cast

import pytest
import redis.asyncio

from fixtures.backends import Backend
from simulation.client.history import History
from simulation.faults import inject
from simulation.faults.cache import copy_keys, restore_keys
from simulation.faults.inject import POLL_S, Injector
from simulation.faults.network import Network
from simulation.model.attempts import Attempt, Sent
from simulation.model.faults import FaultName, PlannedFault
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.progress import Progress
from simulation.stack.database import open_database
from simulation.stack.workers import Workers
from tests.integration.api import RunningBank

LASTS_MS = 50


def injector(database_url: str, history: History) -> Injector:
    backend = Backend("external", database_url, "", "")
    return Injector(
        [PlannedFault(FaultName.POOL_EXHAUSTED, 0, LASTS_MS)],
        seed=7,
        backend=backend,
        network=Network(backend),
        workers=cast("Workers", SimpleNamespace(all=["w1"])),
        history=history,
        progress=Progress(),
    )


def overloaded() -> Attempt:
    now_ns = monotonic_ns()
    operation = Operation("drive", 0, Kind.BALANCE, Intent.PLAIN, 1, 0)
    return Attempt(operation, 1, 0, Sent(), now_ns, now_ns, "refused", "OVERLOADED")


async def test_pools_stay_full_until_a_request_finds_no_connection(database_url: str) -> None:
    history = History()
    breaking = injector(database_url, history)
    (run,) = breaking.runs
    async with asyncio.timeout(5), breaking.run_faults():
        while monotonic_ns() < run.began_ns + LASTS_MS * 1_000_000 + 3 * POLL_S * 1e9 or not run.began_ns:
            await asyncio.sleep(POLL_S / 10)
        assert not run.ended_ns, "nobody has felt it yet"
        history.attempts.append(overloaded())
        while not run.ended_ns:
            await asyncio.sleep(POLL_S / 10)
    assert run.seen == 1


async def test_full_pools_without_requests_are_released(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inject, "EXHAUST_MAX_NS", 2 * LASTS_MS * 1_000_000)
    breaking = injector(database_url, History())
    (run,) = breaking.runs
    async with asyncio.timeout(5), breaking.run_faults():
        while not run.ended_ns:
            await asyncio.sleep(POLL_S / 10)
    assert run.seen == 0
    assert run.ended_ns - run.began_ns >= LASTS_MS * 1_000_000


async def test_only_listening_connections_are_ended(running_bank: RunningBank, database_url: str) -> None:
    await running_bank.until_redis_is_trusted()
    async with open_database(database_url) as database:
        assert await database.disconnect_listeners() == 1
    await running_bank.until_redis_is_trusted()
    await running_bank.client.person()


async def test_a_restored_copy_gives_redis_its_earlier_content(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("kept", "old", px=60_000)
        await client.set("deleted", "old")
        copy = await copy_keys(client)
        await client.mset({"kept": "new", "made": "new"})
        await client.delete("deleted")
        await restore_keys(client, copy)
        assert await client.mget("kept", "made", "deleted") == [b"old", None, b"old"]
        assert 0 < await client.pttl("kept") <= 60_000
        assert await client.pttl("deleted") == -1
