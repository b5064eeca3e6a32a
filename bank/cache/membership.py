"""Membership of the workers that use the cache: heartbeats through PostgreSQL, and new epochs (decision 0019)."""

import asyncio
import contextlib
from typing import Any
from uuid import UUID

import structlog

from bank.background import BackgroundLoop
from bank.cache.epoch import Epoch, new_name
from bank.cache.redis import CacheServer, RedisUnavailable
from bank.cache.trust import TRUST_S, CacheTrust
from bank.database.pool import Database
from bank.database.statements import load_statements

logger = structlog.get_logger(__name__)
queries = load_statements(__file__)

# The subscriber usually catches up within milliseconds. If it takes longer than this, a new epoch begins without it.
CATCH_UP_S = 1.0
# A worker that closed an epoch, but has not opened the next one after this time, has crashed or has lost Redis.
ABANDONED_S = TRUST_S + 1.0
POSITION_MAX = 2**63 - 1  # a position that no subscriber reaches
# The pause before another ping of a Redis that does not respond, and before another attempt to open an epoch.
PAUSE_S = 0.2


async def read_epoch(database: Database) -> Epoch | None:
    """Return the cache's current epoch, or None if none is open."""
    async with database.connection() as connection:
        row = await queries.read_epoch(connection)
    return Epoch(row["number"], row["name"]) if row["is_open"] else None


async def end_epoch(connection: Any) -> None:
    """End the current epoch with the commit: `TRUST_S` later, no worker serves what was cached before.

    A worker begins the next epoch within two seconds.
    """
    await queries.end_epoch(connection)


class CacheMembership:
    """This worker's membership. It decides when the worker may trust Redis, and opens new epochs.

    The log listener calls `renew` and `confirm` for each heartbeat; `loop` does the rest.
    `subscriber` is the subscriber that writes every change in the log to Redis.
    """

    def __init__(
        self, trust: CacheTrust, *, server: CacheServer, database: Database, worker: UUID, subscriber: str
    ) -> None:
        self._trust = trust
        self._server = server
        self._database = database
        self._worker = worker
        self._subscriber = subscriber
        self._wake_up = asyncio.Event()
        self.loop = BackgroundLoop(
            name="cache_membership",
            run_once=self.run_once,
            # An opening breaker does not wake up the loop, so that the loop checks it after this interval.
            interval_s=2 * PAUSE_S,
            wake_up=self._wake_up,
            least_pause_s=PAUSE_S,
            failure="cache_epoch_not_opened",
            retry_s=lambda _failures, _error: PAUSE_S,
        )
        # The last epoch that this worker read: number, name, and whether it is open; and the time at which it read it.
        self._seen: tuple[int, str, bool] | None = None
        self._seen_since_s = 0.0
        # Changes before this worker began to listen may be missing in Redis. None is missing once the subscriber has
        # reached position `_caught_up_at`, or in an epoch from number `_covered_from` on, which began later.
        self._caught_up_at = 0
        self._covered_from = 0
        self._caught_up = False
        self._joined_s = 0.0
        self._new_epoch_required = False
        self._sent_s = 0.0
        self._workers = 1
        trust.on_loss(self._wake_up.set)

    async def renew(self, connection: Any, *, is_new: bool) -> None:
        """Send a heartbeat through the listening connection. `is_new`: the connection has just begun to listen."""
        self._sent_s = self._trust.clock_s()
        row = await queries.renew_member(connection, worker=self._worker, subscriber=self._subscriber)
        if not row["is_member"]:
            async with connection.transaction():
                # After a crash of PostgreSQL, other workers still have to wait for this one, so its row has to be on
                # the disk. Heartbeats need not be.
                await connection.execute("set local synchronous_commit = on")
                await queries.add_member(connection, worker=self._worker)
            row = await queries.renew_member(connection, worker=self._worker, subscriber=self._subscriber)
        self._workers = row["workers"]
        now_s = self._trust.clock_s()
        seen = (row["number"], row["name"], row["is_open"])
        if seen != self._seen:
            self._seen, self._seen_since_s = seen, now_s
        if is_new or self._new_epoch_required:
            self._caught_up, self._covered_from = False, row["number"] + row["is_open"]
            self._caught_up_at = POSITION_MAX if self._new_epoch_required else row["head"]
            self._joined_s = now_s - CATCH_UP_S if self._new_epoch_required else now_s
            self._new_epoch_required = False
        has_reached = row["subscriber_position"] >= self._caught_up_at
        self._caught_up = self._caught_up or has_reached or row["number"] >= self._covered_from

    def confirm(self) -> None:
        """Renew the trust in Redis: every notification from before the last `renew` has been received."""
        assert self._seen is not None
        number, name, is_open = self._seen
        if is_open and self._caught_up and not self._new_epoch_required:
            self._trust.renew(number, name, self._sent_s + TRUST_S)
        else:
            self._trust.revoke()
        if self._needs_epoch:
            self._wake_up.set()

    def revoke(self) -> None:
        """Stop trusting Redis until there is a new connection: this one may have lost notifications."""
        self._trust.revoke()

    def require_new_epoch(self) -> None:
        """Stop trusting Redis until an epoch begins after this moment."""
        self._new_epoch_required = True
        self._trust.revoke()

    @property
    def trusts_redis(self) -> bool:
        """Return whether this worker trusts Redis at present."""
        return self._trust.current() is not None

    @property
    def workers(self) -> int:
        """The number of workers at the last heartbeat, with this one; 1 before the first."""
        return self._workers

    async def run_once(self) -> None:
        """Open a new epoch if one is needed. If the breaker is open, ping Redis to close it."""
        # The failure of a call to Redis is logged by the call.
        with contextlib.suppress(RedisUnavailable):
            if self._server.breaker.is_open:
                await self._server.ping()
            if self._needs_epoch:
                await self._begin_epoch()
        if self._needs_epoch or self._server.breaker.is_open:
            self._wake_up.set()

    async def leave(self) -> None:
        """Stop trusting Redis and end the membership, so that no worker waits for this one."""
        self._trust.revoke()
        async with self._database.connection() as connection:
            await queries.delete_member(connection, worker=self._worker)

    @property
    def _needs_epoch(self) -> bool:
        if self._seen is None:
            return False
        number, _, is_open = self._seen
        now_s = self._trust.clock_s()
        if not is_open:
            return number == 0 or now_s > self._seen_since_s + ABANDONED_S
        return self._trust.is_lost(number) or (not self._caught_up and now_s > self._joined_s + CATCH_UP_S)

    async def _begin_epoch(self) -> None:
        """Close the epoch for every worker, wait until none of them trusts it any more, and open the next one."""
        assert self._seen is not None
        number, name, _ = self._seen
        await self._server.ping()
        previous = Epoch(number, name)
        async with self._database.connection() as connection:
            row = await queries.close_epoch(connection, number=number, name=new_name())
            if row is None:
                return  # another worker has closed it
            # The members are read after the epoch was closed: a worker that joins later reads that it is closed.
            others = [row async for row in queries.other_members(connection, worker=self._worker)]
        epoch = Epoch(row["number"], row["name"])
        logger.info("cache_epoch_closed", epoch=number, members=len(others) + 1)
        self._trust.lose(previous)
        if others:
            await asyncio.sleep(TRUST_S)
        if not await self._server.open(epoch, previous):
            return
        async with self._database.connection() as connection:
            opened = await queries.open_epoch(connection, number=epoch.number)
        if opened is not None:
            logger.info("cache_epoch_opened", epoch=epoch.number)
            await self._server.delete_functions(previous)
