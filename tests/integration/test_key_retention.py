"""Keys are stored for their retention and deleted soon after it, without an effect on clients."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from math import ceil
from random import Random

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from bank.database.pool import Database
from bank.events.leases import CHANNEL
from bank.events.log import read
from bank.events.types.idempotency import KeysForgottenEvent
from bank.idempotency import retention
from bank.idempotency.retention import KeyRetention
from bank.identifiers import uuid7
from tests.integration.api import serving, settings_for
from tests.integration.payers import SetClock, again_logged_in, connected, keys_of, payer_at


async def test_a_key_is_deleted_after_its_retention_and_can_be_used_again(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    settings = settings_for(database_url, redis_url)
    assert settings.idempotency_retention == timedelta(days=7)
    async with serving(settings, clock=clock) as bank:
        payer = await payer_at(bank)
        await payer.pay("old", "1.00")
        clock.moment += timedelta(days=3)
        payer.client = await again_logged_in(bank, payer)
        await payer.pay("younger", "2.00")

        clock.moment += timedelta(days=4)
        assert await bank.bank.key_retention.run_once() == 0, "to the moment seven days old: still remembered"
        payer.client = await again_logged_in(bank, payer)
        assert (await payer.paid("old", "1.00"))["replayed"]

        clock.moment += timedelta(microseconds=1)
        assert await bank.bank.key_retention.run_once() == 4, "the openings, the deposit and the old transfer"
        assert await keys_of(bank, "old", "younger") == {"younger"}
        old, younger = await payer.paid("old", "1.00"), await payer.paid("younger", "2.00")
        assert (old["replayed"], younger["replayed"]) == (False, True)
        assert await payer.balances() == ("96.00", "4.00")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of connections, as in a worker."""
    database = Database(database_url, pool_size=4, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one pass over a small table take many steps."""
    monkeypatch.setattr(retention, "CHUNK_PAGES", 2)
    monkeypatch.setattr(retention, "PAUSE_S", 0)


def retained(database: Database, clock: SetClock) -> KeyRetention:
    return KeyRetention(database, clock, Random(1), timedelta(days=7))


async def insert_keys(database: Database, clock: SetClock, *, days: int, number: int = 1_000) -> None:
    """Insert keys that were used `days` ago, among the existing keys."""
    used_at = clock.now() - timedelta(days=days)
    async with database.connection() as connection:
        await connection.execute(
            "insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, created_at)"
            " select $1, 'k' || n, 'transfer', '1', '{}', $2 from generate_series(1, CAST($3 as integer)) n",
            uuid7(), used_at, number,
        )  # fmt: skip


async def ages(database: Database, clock: SetClock) -> list[int]:
    """Return the ages, in days, of the groups of keys that are still stored."""
    async with database.connection() as connection:
        rows = await connection.fetch("select distinct created_at from idempotency_keys order by 1 desc")
    return [(clock.now() - row["created_at"]).days for row in rows]


@pytest.mark.usefixtures("small_ranges")
async def test_a_pass_deletes_all_old_keys_and_no_others(database: Database) -> None:
    clock = SetClock()
    for days in (8, 6, 30, 0, 7, 9):
        await insert_keys(database, clock, days=days)
    assert await retained(database, clock).run_once() == 3_000
    assert await ages(database, clock) == [0, 6, 7]
    assert await retained(database, clock).run_once() == 0


@pytest.mark.usefixtures("small_ranges")
async def test_two_concurrent_passes_delete_each_key_once(database: Database) -> None:
    clock = SetClock()
    await insert_keys(database, clock, days=8)
    passes = await asyncio.gather(*[retained(database, clock).run_once() for _ in range(4)])
    assert sum(passes) == 1_000
    assert await ages(database, clock) == []


@pytest.mark.usefixtures("small_ranges")
async def test_a_pass_counts_the_deleted_keys_and_emits_one_event(database: Database) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("bank_idempotency_keys_forgotten_total") or 0.0

    clock, before = SetClock(), counted()
    await insert_keys(database, clock, days=8)
    with capture_logs() as lines:
        await retained(database, clock).run_once()
        await retained(database, clock).run_once()
    assert counted() - before == 1_000
    assert lines == [{"event": "keys_forgotten", "keys": 1_000, "log_level": "info"}]
    async with database.connection() as connection:
        [told] = (await read(connection, after=0, max_events=10)).events
    assert told.event == KeysForgottenEvent(used_before=clock.now() - timedelta(days=7))
    assert told.created_at == clock.now()


async def test_other_workers_are_notified_at_once_of_deleted_keys(database: Database, database_url: str) -> None:
    clock, heard = SetClock(), asyncio.Event()
    await insert_keys(database, clock, days=8)
    async with connected(database_url) as listener:
        await listener.add_listener(CHANNEL, lambda *_: heard.set())
        await retained(database, clock).run_once()
        async with asyncio.timeout(5):
            await heard.wait()


async def test_a_pass_pauses_after_each_range(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = SetClock(), []
    await insert_keys(database, clock, days=8)
    async with database.connection() as connection:
        pages = await retention.queries.count_key_pages(connection)

    async def rest(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(retention, "CHUNK_PAGES", 2)
    monkeypatch.setattr("bank.idempotency.retention.asyncio.sleep", rest)
    await retained(database, clock).run_once()
    assert pauses == [retention.PAUSE_S] * ceil(pages / 2)
    assert len(pauses) > 1


def test_workers_pass_about_once_an_hour_and_not_together(database: Database) -> None:
    loop = retained(database, SetClock()).loop
    assert (loop.interval_s, loop.jitter, loop.begins_with_pause) == (3_600.0, 0.5, True)


async def test_a_process_ends_its_pass_while_another_one_passes(database: Database, database_url: str) -> None:
    clock = SetClock()
    await insert_keys(database, clock, days=8)
    async with connected(database_url) as other, other.transaction():
        await other.execute("select pg_advisory_xact_lock(7205759405)")
        assert await retained(database, clock).run_once() == 0
    assert await retained(database, clock).run_once() == 1_000


async def test_a_step_reads_only_its_range_of_the_table(database: Database) -> None:
    clock = SetClock()
    await insert_keys(database, clock, days=0, number=20_000)
    async with database.connection() as connection:
        plan = await connection.fetch(
            f"explain {retention.queries.forget_keys.sql}", (0, 0), (retention.CHUNK_PAGES, 0), clock.now()
        )
    text = "\n".join(row[0] for row in plan)
    assert "Tid Range Scan on idempotency_keys" in text
    assert "Seq Scan" not in text


async def test_a_pass_that_fails_is_followed_by_another(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, twice = [], asyncio.Event()

    async def fails_at_first(_self: KeyRetention) -> int:
        passes.append("pass")
        if len(passes) == 1:
            raise asyncpg.ConnectionDoesNotExistError("cut")
        twice.set()
        return 0

    monkeypatch.setattr(retention, "PASS_EVERY_S", 0.001)
    monkeypatch.setattr(KeyRetention, "run_once", fails_at_first)
    loop = asyncio.create_task(retained(database, SetClock()).loop.run())
    async with asyncio.timeout(5):
        await twice.wait()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
