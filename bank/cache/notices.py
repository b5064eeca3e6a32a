"""What one process could not tell Redis, the others are told through PostgreSQL, and do not believe Redis about.

Redis can be out of reach for one process and not for the next: without a word, the next one would go on giving the old
answers to somebody whom the first one has told of new ones (rule 11). A notification is on its way for a while, so the
first one waits until every other one has said that it has heard.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
import structlog

from bank.cache.values import Tag
from bank.database.pool import Database
from bank.errors import BankError
from bank.events.leases import HERALD

logger = structlog.get_logger(__name__)

CHANNEL = "bank_cache"
# A notification takes 8,000 bytes; a tag without its value has at most 120.
TAGS_MAX = 50
# A hundred times what an answer takes. Who does not answer in this time is stuck, and is not waited for again.
HEARD_WITHIN_S = 0.25


class _Told(msgspec.Struct, frozen=True, tag="told"):
    teller: UUID
    tags: list[Tag]
    # Where this is the last part, and to be answered.
    number: int | None


class _Heard(msgspec.Struct, frozen=True, tag="heard"):
    teller: UUID
    number: int


class _Hearing:
    """Who has heard of one notice, by the server's process identifier of the connection it came from."""

    def __init__(self) -> None:
        self._pids: set[int] = set()
        self._more = asyncio.Event()

    def add(self, pid: int) -> None:
        """Note that somebody has heard."""
        self._pids.add(pid)
        self._more.set()

    async def until(self, pids: set[int]) -> None:
        """Wait until all of these have heard."""
        while not pids <= self._pids:
            self._more.clear()
            await self._more.wait()

    def missing(self, pids: set[int]) -> set[int]:
        """Return those of these who have not."""
        return pids - self._pids


class Notices:
    """Tells other processes, and hears what they tell."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self._database = database
        self._owner = owner
        self._numbers = itertools.count(1)
        self._hearing: dict[int, _Hearing] = {}
        self._stuck: set[int] = set()

    async def tell(self, tags: Sequence[Tag]) -> None:
        """Tell of versions that Redis has not heard of; return once everybody who listens knows.

        Where nobody can be told, or somebody does not answer, it is logged: the event tells them.
        """
        if not tags:
            return
        number, hearing = next(self._numbers), _Hearing()
        self._hearing[number] = hearing
        try:
            listeners = await self._notify(number, tags)
            self._stuck &= listeners
            await self._until_heard(hearing, listeners - self._stuck)
        except BankError as error:
            logger.warning("cache_notice_lost", tags=len(tags), error=str(error))
        finally:
            del self._hearing[number]

    def hear(self, owe: Callable[[Sequence[Tag]], None], pid: int, payload: str) -> str | None:
        """Take in what the process behind connection `pid` says; return what is to be said in reply, if anything."""
        match msgspec.json.decode(payload, type=_Told | _Heard):
            case _Told(teller, tags, number):
                if teller != self._owner:
                    owe(tags)
                if number is not None:
                    return msgspec.json.encode(_Heard(teller, number)).decode()
            case _Heard(teller, number) if teller == self._owner:
                self._stuck.discard(pid)
                if number in self._hearing:
                    self._hearing[number].add(pid)
        return None

    async def _notify(self, number: int, tags: Sequence[Tag]) -> set[int]:
        """Send the notice; return who listens."""
        async with self._database.connection() as connection:
            for place in range(0, len(tags), TAGS_MAX):
                some = [Tag(tag.key, tag.version, tag.ttl_s) for tag in tags[place : place + TAGS_MAX]]
                told = _Told(self._owner, some, number if place + TAGS_MAX >= len(tags) else None)
                await connection.execute("select pg_notify($1, $2)", CHANNEL, msgspec.json.encode(told).decode())
            # After the last part: who begins to listen later cannot have heard it.
            rows = await connection.fetch(
                "select pid from pg_stat_activity where datname = current_database() and application_name = $1", HERALD
            )
        return {row["pid"] for row in rows}

    async def _until_heard(self, hearing: _Hearing, listeners: set[int]) -> None:
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                await hearing.until(listeners)
        except TimeoutError:
            stuck = hearing.missing(listeners)
            self._stuck |= stuck
            logger.warning("cache_notice_not_heard", listeners=len(listeners), stuck=len(stuck))
