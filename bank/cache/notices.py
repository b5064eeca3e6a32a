"""Broadcast of invalidations through PostgreSQL, for those that one process could not write to Redis.

Redis can be out of reach for one process and not for the next: without a word, the next one would go on giving the old
answers to somebody whom the first one has told of new ones (R11). A notification is on its way for a while, so the
first one waits until every other one has said that it has heard, or cannot believe Redis any more (decision 0019).
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from uuid import UUID, uuid4

import msgspec
import structlog

from bank.cache.membership import queries
from bank.cache.trust import TRUST_S
from bank.cache.values import Tag
from bank.database.pool import Database
from bank.errors import BankError, OutcomeUnknown

logger = structlog.get_logger(__name__)

CHANNEL = "bank_cache"
# A notification takes 8,000 bytes; a tag without its value has at most 120.
TAGS_MAX = 50
# A database that commits and then takes no notice for as long has gone; callers do not wait much longer than this.
TELL_WITHIN_S = 3.0
PAUSE_S = 0.1
# It carries nothing that a crash may not lose, and notifications commit one after the other.
NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"


class _Told(msgspec.Struct, frozen=True, tag="told"):
    teller: UUID
    tags: list[Tag]
    # Where this is the last part, and to be answered.
    number: int | None


class _Heard(msgspec.Struct, frozen=True, tag="heard"):
    teller: UUID
    number: int
    hearer: UUID


class _Hearing:
    """The workers that have heard of one notice."""

    def __init__(self) -> None:
        self._hearers: set[UUID] = set()
        self._more = asyncio.Event()

    def add(self, hearer: UUID) -> None:
        """Note that somebody has heard."""
        self._hearers.add(hearer)
        self._more.set()

    async def until(self, members: set[UUID]) -> None:
        """Wait until all of these have heard."""
        while not members <= self._hearers:
            self._more.clear()
            await self._more.wait()

    def missing(self, members: set[UUID]) -> set[UUID]:
        """Return those of these who have not."""
        return members - self._hearers


def notice_of(tags: Sequence[Tag]) -> list[str]:
    """Return what is to be sent on `CHANNEL` to tell every process, this one too, and wait for no reply."""
    teller = uuid4()
    parts = (tags[place : place + TAGS_MAX] for place in range(0, len(tags), TAGS_MAX))
    return [msgspec.json.encode(_Told(teller, list(part), None)).decode() for part in parts]


class InvalidationBroadcast:
    """Tells other processes, and hears what they tell."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self._database = database
        self._owner = owner
        self._numbers = itertools.count(1)
        self._hearing: dict[int, _Hearing] = {}

    async def tell(self, tags: Sequence[Tag]) -> None:
        """Tell of versions that Redis has not heard of; return once nobody believes Redis about them any more.

        A worker that does not answer is waited for until it cannot believe Redis at all. Raises `OutcomeUnknown` where
        nobody can be told: then nobody may be told of what was done, either.
        """
        if not tags:
            return
        give_up_s = monotonic() + TELL_WITHIN_S
        while True:
            try:
                await self._tell_once(tags)
            except BankError as error:
                logger.warning("cache_notice_lost", tags=len(tags), error=str(error))
                if monotonic() > give_up_s:
                    raise OutcomeUnknown("It is done, and not yet seen everywhere; a retry finds out.") from error
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _tell_once(self, tags: Sequence[Tag]) -> None:
        number, hearing = next(self._numbers), _Hearing()
        self._hearing[number] = hearing
        try:
            await self._until_heard(hearing, await self._notify(number, tags))
        finally:
            del self._hearing[number]

    def hear(self, defer: Callable[[Sequence[Tag]], None], _pid: int, payload: str) -> str | None:
        """Take in what another process says; return what is to be said in reply, if anything."""
        match msgspec.json.decode(payload, type=_Told | _Heard):
            case _Told(teller, tags, number):
                if teller == self._owner:
                    return None
                defer(tags)
                if number is not None:
                    return msgspec.json.encode(_Heard(teller, number, self._owner)).decode()
            case _Heard(teller, number, hearer) if teller == self._owner and number in self._hearing:
                self._hearing[number].add(hearer)
        return None

    async def _notify(self, number: int, tags: Sequence[Tag]) -> dict[UUID, int]:
        """Send the notice; return who is to hear it, and how often each had renewed its membership."""
        async with self._database.connection() as connection:
            for place in range(0, len(tags), TAGS_MAX):
                some = [Tag(tag.key, tag.version, tag.ttl_s) for tag in tags[place : place + TAGS_MAX]]
                told = _Told(self._owner, some, number if place + TAGS_MAX >= len(tags) else None)
                await connection.execute(NOTIFY, CHANNEL, msgspec.json.encode(told).decode())
            # After the last part: who joins later learns of it from the log.
            return {row["worker"]: row["beats"] async for row in queries.other_members(connection, worker=self._owner)}

    async def _until_heard(self, hearing: _Hearing, beats: Mapping[UUID, int]) -> None:
        members = set(beats)
        try:
            async with asyncio.timeout(TRUST_S):
                await hearing.until(members)
        except TimeoutError:
            silent = list(hearing.missing(members))
            logger.warning("cache_notice_not_heard", members=len(members), silent=len(silent))
            await self._delete(silent, beats)

    async def _delete(self, silent: Sequence[UUID], beats: Mapping[UUID, int]) -> None:
        """Let nobody wait for them again, unless they have shown a sign of life meanwhile."""
        try:
            async with self._database.connection() as connection:
                await queries.delete_silent(
                    connection, workers=list(silent), beats=[beats[worker] for worker in silent]
                )
        except BankError as error:
            logger.warning("cache_members_not_deleted", error=str(error))
