"""A Redis that returns with older data, no data, no functions, a password or full memory: no old value is shown."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from fixtures.backends.valkey import EmbeddedValkey
from tests.integration.two_workers import TwoWorkers, serve_two_workers

PATIENCE_S = 20.0
SETTINGS = {"enable-debug-command": "local"}
Redis = redis.asyncio.Redis


@pytest.fixture
def valkey(servers_folder: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey for one test, which may break it."""
    with EmbeddedValkey(servers_folder / "valkey", settings=SETTINGS, keep=False) as server:
        yield server


@pytest.fixture
async def client(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url())
    yield client
    await client.aclose()


@pytest.fixture
async def workers(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[TwoWorkers]:
    async with serve_two_workers(database_url, valkey.url()) as workers:
        yield workers


async def copy_of(client: Redis) -> dict[bytes, tuple[bytes, int]]:
    keys: list[Any] = await client.keys("*")
    copy = {key: (await client.dump(key), max(0, await client.pexpiretime(key))) for key in keys}
    # The cells of rate limits live for moments: some are gone before they are copied.
    return {key: (value, until) for key, (value, until) in copy.items() if value is not None}


async def restore_keys(client: Redis, copy: dict[bytes, tuple[bytes, int]]) -> None:
    await client.flushall()
    for key, (value, until) in copy.items():
        await client.restore(key, until, value, absttl=bool(until))


async def follow(client: Redis, leader: EmbeddedValkey) -> None:
    """Make a server a replica of another one, with its password."""
    await client.config_set("masterauth", urlsplit(leader.url()).password or "")
    await client.replicaof("127.0.0.1", leader.port)


async def assert_current(workers: TwoWorkers, *, rounds: int = 4) -> None:
    """Transfer through both workers, and read through both before and after each transfer."""
    for _ in range(rounds):
        for mover in (workers.on_first, workers.on_second):
            await workers.check_balances(workers.on_second)
            await workers.check_balances(workers.on_first)
            await workers.transfer_cent(through=mover)
    await workers.check_balances(workers.on_second)
    await workers.check_balances(workers.on_first)


async def cached_again(workers: TwoWorkers) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await workers.until_hit(workers.on_first)
        await workers.until_hit(workers.on_second)
    await assert_current(workers, rounds=1)


@pytest.mark.parametrize("looks_first", ["on_first", "on_second"])
async def test_an_older_copy_of_all_keys_is_not_trusted(workers: TwoWorkers, client: Redis, looks_first: str) -> None:
    for _ in range(3):
        await workers.first.caught_up()
        await workers.until_hit(workers.on_first)
        await workers.until_hit(workers.on_second)
        copy = await copy_of(client)
        await workers.transfer_cent()
        await restore_keys(client, copy)
        await workers.check_balances(getattr(workers, looks_first))
        await workers.check_balances(workers.on_first)
        await workers.check_balances(workers.on_second)
        await workers.first.until_redis_is_trusted()
        await workers.second.until_redis_is_trusted()
    await cached_again(workers)


async def test_a_promoted_replica_that_was_behind_is_not_trusted(
    workers: TwoWorkers, client: Redis, servers_folder: Path, valkey: EmbeddedValkey
) -> None:
    with EmbeddedValkey(servers_folder / "replica", keep=False) as replica:
        behind = Redis.from_url(replica.url())
        await workers.until_hit(workers.on_first)
        await follow(behind, valkey)
        async with asyncio.timeout(PATIENCE_S):
            while (await behind.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(0.01)
        await behind.replicaof("NO", "ONE")
        assert await behind.dbsize() > 0
        await behind.config_set("requirepass", urlsplit(valkey.url()).password or "")
        # The first worker connects to the promoted replica while the second one is still connected to the old server.
        await workers.transfer_cent()
        assert replica.port is not None
        workers.proxy.upstream = ("127.0.0.1", replica.port)
        workers.proxy.cut()
        await assert_current(workers)
        await asyncio.to_thread(valkey.kill)
        await assert_current(workers)
        async with asyncio.timeout(PATIENCE_S):
            await workers.until_hit(workers.on_first)
        await assert_current(workers)
        await behind.aclose()


async def test_a_server_that_became_a_replica_of_an_older_one_is_not_trusted(
    workers: TwoWorkers, client: Redis, servers_folder: Path, valkey: EmbeddedValkey
) -> None:
    with EmbeddedValkey(servers_folder / "older", keep=False) as older:
        behind = Redis.from_url(older.url())
        await follow(behind, valkey)
        async with asyncio.timeout(PATIENCE_S):
            while (await behind.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(0.01)
        await behind.replicaof("NO", "ONE")
        await workers.transfer_cent()
        await follow(client, older)
        await assert_current(workers, rounds=2)
        async with asyncio.timeout(PATIENCE_S):
            while (await client.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(0.01)
        await assert_current(workers, rounds=2)
        await client.replicaof("NO", "ONE")
        await assert_current(workers, rounds=2)
        await cached_again(workers)
        await behind.aclose()


async def test_a_restored_file_of_seconds_ago_is_not_trusted(
    workers: TwoWorkers, client: Redis, valkey: EmbeddedValkey, servers_folder: Path
) -> None:
    await workers.until_hit(workers.on_first)
    await client.save()
    file = servers_folder / "valkey" / "dump.rdb"
    kept = file.with_suffix(".kept")
    shutil.copy2(file, kept)
    await workers.transfer_cent()
    await asyncio.to_thread(valkey.kill)
    shutil.copy2(kept, file)
    await asyncio.to_thread(valkey.start)
    await client.connection_pool.disconnect()
    assert await client.dbsize() > 0
    await assert_current(workers)
    await cached_again(workers)


async def test_data_that_the_same_server_reloads_are_not_trusted_without_a_check(
    workers: TwoWorkers, client: Redis
) -> None:
    await workers.until_hit(workers.on_first)
    await client.execute_command("DEBUG", "RELOAD")
    await assert_current(workers)
    await cached_again(workers)


async def refuse_writes(client: Redis) -> None:
    await client.replicaof("127.0.0.1", 1)


async def allow_writes(client: Redis) -> None:
    await client.replicaof("NO", "ONE")


async def fill_up(client: Redis) -> None:
    await client.config_set("maxmemory-policy", "noeviction")
    await client.config_set("maxmemory", "1")


async def make_room(client: Redis) -> None:
    await client.config_set("maxmemory", "0")


async def ask_for_a_password(client: Redis) -> None:
    await client.config_set("requirepass", "secret")
    await client.client_kill_filter(_type="normal", skipme=True)


async def ask_for_none(client: Redis) -> None:
    await client.execute_command("AUTH", "secret")
    await client.config_set("requirepass", "")


async def want_replicas(client: Redis) -> None:
    await client.config_set("min-replicas-to-write", 1)


async def want_none(client: Redis) -> None:
    await client.config_set("min-replicas-to-write", 0)


async def pause_writes(client: Redis) -> None:
    await client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")


async def pause_all(client: Redis) -> None:
    await client.execute_command("CLIENT", "PAUSE", "700", "ALL")


async def go_on(client: Redis) -> None:
    await client.execute_command("CLIENT", "UNPAUSE")


async def drop_scripts(client: Redis) -> None:
    await client.script_flush()


async def drop_functions(client: Redis) -> None:
    await client.function_flush()


async def empty(client: Redis) -> None:
    await client.flushall()


async def forbid(client: Redis) -> None:
    await client.execute_command("ACL", "SETUSER", "default", "-fcall", "-function")


async def permit(client: Redis) -> None:
    await client.execute_command("ACL", "SETUSER", "default", "+@all")


async def nothing(_client: Redis) -> None:
    return None


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        (refuse_writes, allow_writes),
        (fill_up, make_room),
        (ask_for_a_password, ask_for_none),
        (want_replicas, want_none),
        (pause_writes, go_on),
        (pause_all, nothing),
        (drop_scripts, nothing),
        (drop_functions, nothing),
        (empty, nothing),
        (forbid, permit),
    ],
    ids=lambda one: one.__name__,
)
async def test_answers_are_current_and_successful_while_redis_refuses_commands(
    workers: TwoWorkers,
    valkey: EmbeddedValkey,
    spoil: Callable[[Redis], Awaitable[None]],
    mend: Callable[[Redis], Awaitable[None]],
) -> None:
    await workers.until_hit(workers.on_first)
    await workers.until_hit(workers.on_second)
    one = Redis.from_url(valkey.url(), single_connection_client=True)
    await spoil(one)
    await assert_current(workers)
    await mend(one)
    await assert_current(workers)
    await one.aclose()
    await cached_again(workers)


async def test_an_empty_replacement_of_redis_is_used(workers: TwoWorkers, valkey: EmbeddedValkey) -> None:
    await workers.until_hit(workers.on_second)
    await asyncio.to_thread(valkey.kill)
    await assert_current(workers, rounds=2)
    await asyncio.to_thread(valkey.start)
    await assert_current(workers, rounds=2)
    await cached_again(workers)


async def test_a_slow_redis_delays_answers_and_changes_none(workers: TwoWorkers) -> None:
    workers.proxy.delay_s = 0.1
    await assert_current(workers, rounds=2)
    workers.proxy.delay_s = 0.0
    await cached_again(workers)
