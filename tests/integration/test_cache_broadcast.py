"""A worker without Redis broadcasts invalidations, and continues when no other worker trusts the old values."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID, uuid4

import asyncpg
import pytest

from bank.cache import broadcast as broadcast_module
from bank.cache.broadcast import CHANNEL, TAGS_MAX, InvalidationBroadcast
from bank.cache.membership import queries
from bank.cache.trust import TRUST_S
from bank.cache.values import CacheTag
from bank.database.pool import Database
from bank.errors import OutcomeUnknown

TAG = CacheTag("account:1", 7, 300, b"its value")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
    await database.open()
    yield database
    await database.close()


class Listener:
    """A process that receives invalidations, and acknowledges them as soon as `may_answer` is set."""

    def __init__(self, connection: asyncpg.Connection, broadcast: InvalidationBroadcast, worker: UUID) -> None:
        self.deferred: list[CacheTag] = []
        self.worker = worker
        self.may_answer = asyncio.Event()
        self._connection = connection
        self._broadcast = broadcast
        self._answers: list[asyncio.Task[None]] = []

    async def renew(self) -> bool:
        return bool((await queries.renew_member(self._connection, worker=self.worker, subscriber="x"))["is_member"])

    def receive(self, _connection: object, pid: int, _channel: str, payload: str) -> None:
        reply = self._broadcast.receive(self.defer, pid, payload)
        if reply is not None:
            self._answers.append(asyncio.create_task(self._answer(reply)))

    def defer(self, tags: Sequence[CacheTag]) -> None:
        self.deferred.extend(tags)

    async def _answer(self, reply: str) -> None:
        await self.may_answer.wait()
        await self._connection.execute("select pg_notify($1, $2)", CHANNEL, reply)


@asynccontextmanager
async def listening(
    database: Database, sender: InvalidationBroadcast | None = None, worker: UUID | None = None
) -> AsyncIterator[Listener]:
    connection, worker = await asyncpg.connect(database.url), worker or uuid4()
    listener = Listener(connection, sender or InvalidationBroadcast(database, worker), worker)
    await connection.add_listener(CHANNEL, listener.receive)
    await queries.add_member(connection, worker=worker)
    try:
        yield listener
    finally:
        await connection.close()


async def test_a_broadcast_ends_when_every_worker_has_acknowledged(database: Database) -> None:
    sender = uuid4()
    broadcast = InvalidationBroadcast(database, sender)
    async with listening(database, broadcast, sender) as own, listening(database) as quick, listening(database) as slow:
        quick.may_answer.set()
        telling = asyncio.create_task(broadcast.send([TAG]))
        while not slow.deferred:
            assert not telling.done()
            await asyncio.sleep(0.001)
        _, waiting = await asyncio.wait({telling}, timeout=TRUST_S / 10)
        assert waiting
        slow.may_answer.set()
        await telling
        assert quick.deferred == slow.deferred == [CacheTag(TAG.key, TAG.version, TAG.ttl_s)]
        assert own.deferred == []


async def test_a_broadcast_of_the_only_worker_does_not_wait(database: Database) -> None:
    sender = uuid4()
    broadcast = InvalidationBroadcast(database, sender)
    async with listening(database, broadcast, sender):
        began = monotonic()
        await broadcast.send([TAG])
        assert monotonic() - began < TRUST_S


async def test_a_broadcast_waits_once_for_a_silent_worker_until_it_cannot_trust_redis(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = uuid4()
    broadcast = InvalidationBroadcast(database, sender)
    async with listening(database, broadcast, sender), listening(database) as silent:
        began = monotonic()
        await broadcast.send([TAG])
        assert monotonic() - began >= TRUST_S
        for _ in range(3):
            await broadcast.send([TAG])
        assert capsys.readouterr().out.count("cache_invalidation_not_acknowledged") == 1
        assert not await silent.renew(), "it finds out that nobody waits for it, and joins again"
        await queries.add_member(silent._connection, worker=silent.worker)
        telling = asyncio.create_task(broadcast.send([TAG]))
        _, waiting = await asyncio.wait({telling}, timeout=TRUST_S / 10)
        assert waiting
        silent.may_answer.set()
        await telling


async def test_a_worker_that_renews_its_membership_and_does_not_answer_stays_a_member(database: Database) -> None:
    sender = uuid4()
    broadcast = InvalidationBroadcast(database, sender)
    async with listening(database, broadcast, sender), listening(database) as slow:
        telling = asyncio.create_task(broadcast.send([TAG]))
        # It renews repeatedly, because the first renewals may come before the sender has read the numbers of renewals.
        while not telling.done():
            assert await slow.renew()
            await asyncio.sleep(TRUST_S / 20)
        await telling
        assert slow.deferred
        assert await slow.renew()


async def test_a_large_broadcast_is_sent_in_several_notifications(database: Database) -> None:
    sender = uuid4()
    broadcast = InvalidationBroadcast(database, sender)
    async with listening(database, broadcast, sender), listening(database) as other:
        other.may_answer.set()
        tags = [CacheTag(f"account:{uuid4()}", number, 300) for number in range(2 * TAGS_MAX + 1)]
        await broadcast.send(tags)
        assert other.deferred == tags


async def test_a_broadcast_that_cannot_be_sent_is_an_error(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast_module, "SEND_TIMEOUT_S", 0.2)
    database = Database(database_url, pool_size=1, pool_timeout_ms=50, statement_timeout_ms=5_000)
    await database.open()
    async with database.connection():
        with pytest.raises(OutcomeUnknown):
            await InvalidationBroadcast(database, uuid4()).send([TAG])
    await database.close()
    assert "cache_invalidation_not_sent" in capsys.readouterr().out
