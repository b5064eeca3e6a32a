"""The fault proxy before a real PostgreSQL and a real Valkey: each fault takes effect, and ends when switched off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fixtures.faults import AddressError, FaultProxy, PostgresProxy, through_proxy, upstream_of
from fixtures.faults.process import ProxyProcess
from fixtures.faults.proxy import CONNECTIONS_MAX

LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


class ProxiedDatabase:
    """A proxy before a database, connections through it, and a direct connection."""

    def __init__(self, proxy: PostgresProxy, url: str, direct: Any) -> None:
        self.proxy = proxy
        self.direct = direct
        self.url = through_proxy(url, proxy.port)
        self._opened: list[Any] = []

    async def connect(self, **more: Any) -> Any:
        connection = await asyncpg.connect(self.url, timeout=5, **more)
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._opened:
            connection.terminate()

    async def written(self) -> list[int]:
        return [row["n"] for row in await self.direct.fetch("select n from written order by n")]

    async def until_closed(self) -> None:
        """Wait until PostgreSQL and the proxy have closed all connections but the direct one."""
        others = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        async with asyncio.timeout(5):
            while self.proxy.connections or await self.direct.fetchval(others):
                await asyncio.sleep(0.01)


@pytest.fixture
async def proxied(postgres_url: str) -> AsyncIterator[ProxiedDatabase]:
    direct = await asyncpg.connect(postgres_url)
    await direct.execute("create table written (n int primary key)")
    async with PostgresProxy(upstream_of(postgres_url)) as proxy:
        proxied = ProxiedDatabase(proxy, postgres_url, direct)
        yield proxied
        proxied.close()
    await direct.close()


async def test_a_proxy_without_a_fault_changes_nothing(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    long = "x" * 3_000_000  # more than the proxy reads at once, or parses
    assert await connection.fetchval("select $1::text", long) == long
    async with connection.transaction():
        await connection.execute("insert into written select generate_series(1, 3)")
    assert await proxied.written() == [1, 2, 3]
    assert (proxied.proxy.cuts, proxied.proxy.delayed, proxied.proxy.withheld) == (0, 0, 0)


async def test_a_connection_closed_by_the_client_is_closed_at_the_server(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    await connection.execute("begin; insert into written values (1)")
    connection.terminate()
    await proxied.until_closed()
    assert await proxied.written() == []


async def test_a_delay_is_added_both_ways_and_ends_at_once(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    proxied.proxy.delay_s = 0.15
    began = perf_counter()
    assert await connection.fetchval("select 1") == 1  # asyncpg prepares, then executes: two round trips
    assert perf_counter() - began >= 4 * 0.15
    assert proxied.proxy.delayed >= 4
    proxied.proxy.delay_s = 0.0
    delayed = proxied.proxy.delayed
    assert await connection.fetchval("select 1") == 1
    assert proxied.proxy.delayed == delayed


async def test_a_delayed_connection_takes_as_long_as_its_round_trips(proxied: ProxiedDatabase) -> None:
    proxied.proxy.delay_s = 0.1
    began = perf_counter()
    await proxied.connect()  # asks for encryption, is refused, then sends the startup message
    assert perf_counter() - began >= 4 * 0.1


async def test_a_delay_adds_latency_and_does_not_reduce_bandwidth(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    proxied.proxy.delay_s = 0.1
    began = perf_counter()
    assert len(await connection.fetchval("select repeat('x', 8000000)")) == 8_000_000
    assert perf_counter() - began < 3  # sent one after the other, the 122 chunks would take 12 seconds


async def test_a_cut_breaks_every_open_connection_and_new_ones_work(proxied: ProxiedDatabase) -> None:
    connections = [await proxied.connect() for _ in range(3)]
    sleeping = [
        asyncio.create_task(one.execute("insert into written select pg_sleep(30)::text::int")) for one in connections
    ]
    await asyncio.sleep(0)
    assert proxied.proxy.cut() == 3
    for outcome in await asyncio.gather(*sleeping, return_exceptions=True):
        assert isinstance(outcome, LOST), outcome
    assert proxied.proxy.cuts == 3
    assert await (await proxied.connect()).fetchval("select 1") == 1
    assert await proxied.written() == []


async def test_a_cut_of_a_share_keeps_the_other_connections_and_is_repeatable(proxied: ProxiedDatabase) -> None:
    async def survivors() -> list[bool]:
        connections = [await proxied.connect() for _ in range(6)]
        assert proxied.proxy.cut(0.5, Random(3)) == 3
        alive = []
        for connection in connections:
            with contextlib.suppress(*LOST):
                await connection.fetchval("select 1")
            alive.append(not connection.is_closed())
            connection.terminate()
        await proxied.until_closed()
        return alive

    first = await survivors()
    assert first.count(True) == 3
    assert await survivors() == first


async def test_a_silent_proxy_accepts_connections_and_forwards_nothing_until_it_ends(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    proxied.proxy.block()
    asking = asyncio.create_task(connection.execute("insert into written values (1)"))
    knocking = asyncio.create_task(proxied.connect())
    done, _ = await asyncio.wait({asking, knocking}, timeout=0.3)
    assert done == set()
    assert await proxied.written() == []
    assert proxied.proxy.withheld >= 2
    proxied.proxy.unblock()
    await asking
    assert await (await knocking).fetchval("select 2") == 2
    assert await proxied.written() == [1]


async def test_the_server_detects_a_disconnect_during_silence_only_after_the_silence(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    await connection.execute("begin; insert into written values (1)")
    proxied.proxy.block()
    connection.terminate()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(proxied.url, timeout=0.2)
    idle = "select count(*) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"
    await asyncio.sleep(0.1)
    assert await proxied.direct.fetchval(idle) == 1
    proxied.proxy.unblock()
    await proxied.until_closed()
    assert await proxied.written() == []


async def commit_simply(connection: Any) -> None:
    await connection.execute("begin")
    await connection.execute("insert into written values (1)")
    await connection.execute("commit")


async def commit_prepared(connection: Any) -> None:
    """Commit with Parse, Bind and Execute, in statements that were prepared long before."""
    begin, commit = await connection.prepare("begin"), await connection.prepare("commit")
    insert = await connection.prepare("insert into written values ($1)")
    await begin.fetch()
    await insert.fetch(1)
    await commit.fetch()


async def commit_in_one_message(connection: Any) -> None:
    await connection.execute("begin; insert into written values (1); commit")


async def commit_by_its_other_name(connection: Any) -> None:
    await connection.execute("begin")
    await connection.execute("insert into written values (1)")
    await connection.execute("END TRANSACTION")


@pytest.mark.parametrize("commit", [commit_simply, commit_prepared, commit_in_one_message, commit_by_its_other_name])
async def test_a_commit_whose_reply_is_dropped_takes_effect(proxied: ProxiedDatabase, commit: Any) -> None:
    connection, other = await proxied.connect(), await proxied.connect()
    proxied.proxy.cut_commit_replies(1)
    with pytest.raises(LOST):
        await commit(connection)
    assert await proxied.written() == [1]
    assert connection.is_closed()
    assert proxied.proxy.commit_replies_cut == 1
    assert proxied.proxy.commit_replies_to_cut == 0
    await other.execute("begin; insert into written values (2); commit")
    assert await proxied.written() == [1, 2]


async def test_fifty_dropped_replies_are_fifty_errors_and_fifty_commits(proxied: ProxiedDatabase) -> None:
    proxied.proxy.cut_commit_replies(50)
    errors = 0
    for number in range(50):
        connection = await proxied.connect()
        try:
            async with connection.transaction():
                await connection.execute("insert into written values ($1)", number)
        except LOST:
            errors += 1
    assert errors == 50
    assert await proxied.written() == list(range(50))


async def test_replies_to_rollbacks_and_read_only_transactions_are_not_dropped(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    proxied.proxy.cut_commit_replies(1)
    async with connection.transaction(readonly=True):
        await connection.fetch("select n from written")
    await connection.execute("begin; insert into written values (1)")
    await connection.execute("rollback")
    await connection.execute("begin")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("insert into written values ('x')")
    await connection.execute("commit")  # PostgreSQL answers ROLLBACK
    await connection.execute("begin; select from written for update; commit")
    assert proxied.proxy.commit_replies_cut == 0
    assert await proxied.written() == []
    proxied.proxy.cut_commit_replies(0)
    await commit_simply(connection)
    assert await proxied.written() == [1]


async def test_a_statement_can_be_cancelled_through_the_proxy(proxied: ProxiedDatabase) -> None:
    connection = await proxied.connect()
    with pytest.raises(TimeoutError):
        await connection.execute("select pg_sleep(30)", timeout=0.2)
    assert await connection.fetchval("select 1") == 1


async def test_an_unreachable_server_resets_the_client(tmp_path: Path) -> None:
    async with PostgresProxy(tmp_path / "nobody") as proxy:
        with pytest.raises(LOST):
            await asyncpg.connect(f"postgresql://someone@127.0.0.1:{proxy.port}/bank", timeout=5)


async def test_the_proxy_accepts_no_more_connections_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, proxied: ProxiedDatabase
) -> None:
    assert CONNECTIONS_MAX > 100
    monkeypatch.setattr("fixtures.faults.proxy.CONNECTIONS_MAX", 2)
    for _ in range(2):
        await proxied.connect()
    with pytest.raises(LOST):
        await proxied.connect()
    assert proxied.proxy.connections == 2


async def test_the_proxy_listens_only_on_the_loopback_address_and_stops_listening(postgres_url: str) -> None:
    async with FaultProxy(upstream_of(postgres_url)) as proxy:
        assert proxy._server is not None
        assert [sock.getsockname()[0] for sock in proxy._server.sockets] == ["127.0.0.1"]
        url = through_proxy(postgres_url, proxy.port)
        connection = await asyncpg.connect(url, ssl=False)
    with pytest.raises(LOST):
        await connection.execute("select 1")
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(url, timeout=5)


async def test_a_proxy_in_another_process_executes_commands_and_counts_connections(postgres_url: str) -> None:
    direct = await asyncpg.connect(postgres_url)
    await direct.execute("create table written (n int primary key)")
    async with ProxyProcess(upstream_of(postgres_url)) as proxy:
        url = through_proxy(postgres_url, proxy.port)
        slow, other = await asyncpg.connect(url), await asyncpg.connect(url)
        await proxy.delay(0.1)
        began = perf_counter()
        assert await slow.fetchval("select 1") == 1
        assert perf_counter() - began >= 4 * 0.1
        await proxy.delay(0.0)
        await proxy.cut_commit_replies(1)
        with pytest.raises(LOST):
            await commit_simply(slow)
        assert await direct.fetchval("select count(*) from written") == 1
        await proxy.set_blocked(is_blocked=True)
        asking = asyncio.create_task(other.fetchval("select 2"))
        assert await asyncio.wait({asking}, timeout=0.2) == (set(), {asking})
        await proxy.set_blocked(is_blocked=False)
        assert await asking == 2
        counts = await proxy.counts()
        assert (counts.commit_replies_cut, counts.commit_replies_to_cut, counts.cuts) == (1, 0, 1)
        assert counts.delayed >= 4
        assert counts.withheld >= 1
        assert await proxy.cut(1.0, seed=1) == 1
        with pytest.raises(LOST):
            await other.fetchval("select 3")
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(url, timeout=5)
    await direct.close()


async def test_a_proxy_process_ends_with_its_parent(postgres_url: str) -> None:
    """This also covers kill -9: the end of its standard input means that its parent process has ended."""
    async with ProxyProcess(upstream_of(postgres_url)) as proxy:
        process = proxy._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        with pytest.raises(OSError):  # noqa: PT011 - any error of the pipe
            await proxy.counts()


async def test_redis_is_reached_and_cut_through_a_proxy(redis_url: str) -> None:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        retry = Retry(NoBackoff(), 0)
        async with redis.asyncio.Redis.from_url(through_proxy(redis_url, proxy.port), retry=retry) as client:
            await client.set("key", "value")
            assert await client.get("key") == b"value"
            assert proxy.cut() == 1
            with pytest.raises((redis.exceptions.ConnectionError, OSError)):
                await client.get("key")
            assert await client.get("key") == b"value"


@pytest.mark.parametrize(
    ("url", "upstream", "proxied"),
    [
        (
            "postgresql://ana:s%20e@db.example:5433/bank",
            ("db.example", 5433),
            "postgresql://ana:s%20e@127.0.0.1:7/bank",
        ),
        ("postgresql://ana@db.example/bank", ("db.example", 5432), "postgresql://ana@127.0.0.1:7/bank"),
        ("postgresql://pg@/bank?host=/run/pg", Path("/run/pg/.s.PGSQL.5432"), "postgresql://pg@127.0.0.1:7/bank"),
        (
            "postgresql://pg@/bank?host=/run/pg&port=6000&application_name=x",
            Path("/run/pg/.s.PGSQL.6000"),
            "postgresql://pg@127.0.0.1:7/bank?application_name=x",
        ),
        ("redis://127.0.0.1:6380/3", ("127.0.0.1", 6380), "redis://127.0.0.1:7/3"),
    ],
)
def test_the_server_address_in_a_url_is_replaced_and_the_rest_is_kept(url: str, upstream: object, proxied: str) -> None:
    assert upstream_of(url) == upstream
    assert through_proxy(url, 7) == proxied


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://a@db.example/bank?sslmode=verify-full", "asks for encryption"),
        ("postgresql://a@one,two/bank", "exactly one host"),
        ("postgresql://a@/bank", "exactly one host"),
        ("rediss://db.example", "not to rediss"),
    ],
)
def test_a_url_that_no_proxy_can_serve_is_refused_with_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(AddressError, match=sentence):
        upstream_of(url)


async def test_a_proxy_before_redis_runs_in_a_process_of_its_own(redis_url: str) -> None:
    async with ProxyProcess(upstream_of(redis_url), is_postgres=False) as proxy:
        client = redis.asyncio.Redis.from_url(through_proxy(redis_url, proxy.port), socket_timeout=0.2)
        assert await client.ping()
        await proxy.set_blocked(is_blocked=True)
        with pytest.raises(redis.exceptions.TimeoutError):
            await client.ping()
        await proxy.set_blocked(is_blocked=False)
        assert await client.ping()
        assert (await proxy.counts()).withheld > 0
        await client.aclose()
