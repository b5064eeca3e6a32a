"""Broadcast of invalidations through PostgreSQL, for those that a worker could not write to Redis.

Redis can be unreachable for one worker only. Without a notification, the other workers would go on serving cached
responses that are older than those of the first worker (R11). Notifications take some time, so the first worker waits
until every other one has acknowledged the notification, or does not trust Redis any more (decision 0019).
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
from bank.cache.values import CacheTag
from bank.database.pool import Database
from bank.errors import BankError, OutcomeUnknown

logger = structlog.get_logger(__name__)

CHANNEL = "bank_cache"
# A notification has at most 8,000 bytes; a tag without its data has at most 120.
TAGS_MAX = 50
# If the database has just committed but accepts no notification for this time, it is down. Callers do not wait longer.
SEND_TIMEOUT_S = 3.0
PAUSE_S = 0.1
# Notifications commit one after the other. They need not survive a crash, so they do not wait for the disk.
NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"


# Workers of two releases exchange these messages during an upgrade, so that the names in them stay as they were.
class _Invalidation(msgspec.Struct, frozen=True, tag="told", rename={"sender": "teller"}):
    sender: UUID
    tags: list[CacheTag]
    # Set in the last part of an invalidation whose sender waits for an acknowledgement.
    number: int | None


class _Acknowledgement(msgspec.Struct, frozen=True, tag="heard", rename={"sender": "teller", "receiver": "hearer"}):
    sender: UUID
    number: int
    receiver: UUID


class _PendingInvalidation:
    """The workers that have acknowledged an invalidation."""

    def __init__(self) -> None:
        self._receivers: set[UUID] = set()
        self._changed = asyncio.Event()

    def acknowledge(self, receiver: UUID) -> None:
        """Add a worker that has acknowledged."""
        self._receivers.add(receiver)
        self._changed.set()

    async def wait_for(self, members: set[UUID]) -> None:
        """Wait until all of these workers have acknowledged."""
        while not members <= self._receivers:
            self._changed.clear()
            await self._changed.wait()

    def missing(self, members: set[UUID]) -> set[UUID]:
        """Return those of these workers that have not acknowledged."""
        return members - self._receivers


def encode_invalidation(tags: Sequence[CacheTag]) -> list[str]:
    """Return the payloads for `CHANNEL` that invalidate tags in every worker, this one too, without acknowledgement."""
    sender = uuid4()
    parts = (tags[start : start + TAGS_MAX] for start in range(0, len(tags), TAGS_MAX))
    return [msgspec.json.encode(_Invalidation(sender, list(part), None)).decode() for part in parts]


class InvalidationBroadcast:
    """Sending and receiving of invalidations between workers."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self._database = database
        self._owner = owner
        self._numbers = itertools.count(1)
        self._pending: dict[int, _PendingInvalidation] = {}

    async def send(self, tags: Sequence[CacheTag]) -> None:
        """Send versions that could not be written to Redis; return once no worker serves older ones any more.

        If a worker does not acknowledge, this waits until that worker cannot trust Redis any more. Raises
        `OutcomeUnknown` if nothing can be sent, because then the caller must not report success either.
        """
        if not tags:
            return
        deadline_s = monotonic() + SEND_TIMEOUT_S
        while True:
            try:
                await self._send_once(tags)
            except BankError as error:
                logger.warning("cache_invalidation_not_sent", tags=len(tags), error=str(error))
                if monotonic() > deadline_s:
                    raise OutcomeUnknown("It is done, and not yet seen everywhere; a retry finds out.") from error
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _send_once(self, tags: Sequence[CacheTag]) -> None:
        number, pending = next(self._numbers), _PendingInvalidation()
        self._pending[number] = pending
        try:
            await self._wait_for_acknowledgements(pending, await self._notify(number, tags))
        finally:
            del self._pending[number]

    def receive(self, defer: Callable[[Sequence[CacheTag]], None], _pid: int, payload: str) -> str | None:
        """Process a message of another worker: `defer` its tags. Return the payload of the reply, if there is one."""
        match msgspec.json.decode(payload, type=_Invalidation | _Acknowledgement):
            case _Invalidation(sender, tags, number):
                if sender == self._owner:
                    return None
                defer(tags)
                if number is not None:
                    return msgspec.json.encode(_Acknowledgement(sender, number, self._owner)).decode()
            case _Acknowledgement(sender, number, receiver) if sender == self._owner and number in self._pending:
                self._pending[number].acknowledge(receiver)
        return None

    async def _notify(self, number: int, tags: Sequence[CacheTag]) -> dict[UUID, int]:
        """Send the invalidation; return the other workers, each with its number of heartbeats so far."""
        async with self._database.connection() as connection:
            for start in range(0, len(tags), TAGS_MAX):
                part = [CacheTag(tag.key, tag.version, tag.ttl_s) for tag in tags[start : start + TAGS_MAX]]
                message = _Invalidation(self._owner, part, number if start + TAGS_MAX >= len(tags) else None)
                await connection.execute(NOTIFY, CHANNEL, msgspec.json.encode(message).decode())
            # The members are read after the last part was sent: a worker that joins later catches up from the log.
            return {row["worker"]: row["beats"] async for row in queries.other_members(connection, worker=self._owner)}

    async def _wait_for_acknowledgements(self, pending: _PendingInvalidation, beats: Mapping[UUID, int]) -> None:
        members = set(beats)
        try:
            async with asyncio.timeout(TRUST_S):
                await pending.wait_for(members)
        except TimeoutError:
            silent = list(pending.missing(members))
            logger.warning("cache_invalidation_not_acknowledged", members=len(members), silent=len(silent))
            await self._delete(silent, beats)

    async def _delete(self, silent: Sequence[UUID], beats: Mapping[UUID, int]) -> None:
        """Delete members that have sent no heartbeat since, so that no worker waits for them again."""
        try:
            async with self._database.connection() as connection:
                await queries.delete_unresponsive(
                    connection, workers=list(silent), beats=[beats[worker] for worker in silent]
                )
        except BankError as error:
            logger.warning("cache_members_not_deleted", error=str(error))
