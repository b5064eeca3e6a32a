"""Who could not tell Redis tells the other processes, and goes on when they have heard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest

from bank.cache.notices import CHANNEL, HEARD_WITHIN_S, TAGS_MAX, Notices
from bank.cache.values import Tag
from bank.database.pool import Database
from bank.events.leases import HERALD

TAG = Tag("account:1", 7, 300, b"its value")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
    await database.open()
    yield database
    await database.close()


class Listener:
    """A process that hears notices, and answers once it is let."""

    def __init__(self, connection: asyncpg.Connection, notices: Notices) -> None:
        self.owed: list[Tag] = []
        self.may_answer = asyncio.Event()
        self._connection = connection
        self._notices = notices
        self._answers: list[asyncio.Task[None]] = []

    def hear(self, _connection: object, pid: int, _channel: str, payload: str) -> None:
        reply = self._notices.hear(self.owe, pid, payload)
        if reply is not None:
            self._answers.append(asyncio.create_task(self._answer(reply)))

    def owe(self, tags: Sequence[Tag]) -> None:
        self.owed.extend(tags)

    async def _answer(self, reply: str) -> None:
        await self.may_answer.wait()
        await self._connection.execute("select pg_notify($1, $2)", CHANNEL, reply)


@asynccontextmanager
async def listening(database: Database, notices: Notices | None = None) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(database.url, server_settings={"application_name": HERALD})
    listener = Listener(connection, notices or Notices(database, uuid4()))
    await connection.add_listener(CHANNEL, listener.hear)
    try:
        yield listener
    finally:
        await connection.close()


async def test_who_tells_goes_on_once_everybody_has_heard(database: Database) -> None:
    notices = Notices(database, uuid4())
    async with listening(database, notices) as teller, listening(database) as quick, listening(database) as slow:
        teller.may_answer.set()
        quick.may_answer.set()
        telling = asyncio.create_task(notices.tell([TAG]))
        while not slow.owed:
            assert not telling.done()
            await asyncio.sleep(0.001)
        _, waiting = await asyncio.wait({telling}, timeout=HEARD_WITHIN_S / 5)
        assert waiting
        slow.may_answer.set()
        await telling
        assert quick.owed == slow.owed == [Tag(TAG.key, TAG.version, TAG.ttl_s)]
        assert teller.owed == []


async def test_who_is_alone_does_not_wait(database: Database) -> None:
    notices = Notices(database, uuid4())
    async with listening(database, notices) as teller:
        teller.may_answer.set()
        began = monotonic()
        await notices.tell([TAG])
        assert monotonic() - began < HEARD_WITHIN_S


async def test_who_does_not_answer_is_waited_for_once(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(database, uuid4())
    async with listening(database, notices) as teller, listening(database) as stuck:
        teller.may_answer.set()
        for _ in range(3):
            await notices.tell([TAG])
        assert capsys.readouterr().out.count("cache_notice_not_heard") == 1
        # Its answers come after all: from now on it is waited for again.
        stuck.may_answer.set()
        async with asyncio.timeout(5):
            while notices._stuck:
                await asyncio.sleep(0.001)
        stuck.may_answer.clear()
        telling = asyncio.create_task(notices.tell([TAG]))
        _, waiting = await asyncio.wait({telling}, timeout=HEARD_WITHIN_S / 5)
        assert waiting
        stuck.may_answer.set()
        await telling


async def test_more_than_a_notification_takes_is_told_in_parts(database: Database) -> None:
    notices = Notices(database, uuid4())
    async with listening(database, notices) as teller, listening(database) as other:
        teller.may_answer.set()
        other.may_answer.set()
        tags = [Tag(f"account:{uuid4()}", number, 300) for number in range(2 * TAGS_MAX + 1)]
        await notices.tell(tags)
        assert other.owed == tags


async def test_a_database_that_is_away_is_logged(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    database = Database(database_url, pool_size=1, pool_timeout_ms=50, statement_timeout_ms=5_000)
    await database.open()
    async with database.connection():
        await Notices(database, uuid4()).tell([TAG])
    await database.close()
    assert "cache_notice_lost" in capsys.readouterr().out
