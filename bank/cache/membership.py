"""Belonging to those who hear of changes: heartbeats through PostgreSQL, and the opening of epochs (decision 0019)."""

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

# The subscriber is usually there within milliseconds. After this it does without it, and all begin anew.
CATCH_UP_S = 1.0
# A worker that has closed an epoch and has not opened the next one by now has died, or has lost Redis.
ABANDONED_S = TRUST_S + 1.0
POSITION_MAX = 2**63 - 1  # no subscriber gets there
# Redis that does not answer is asked this often whether it does again, and a failed opening is repeated.
PAUSE_S = 0.2


async def read_epoch(database: Database) -> Epoch | None:
    """Return the cache's present epoch, or None where none is open."""
    async with database.connection() as connection:
        row = await queries.read_epoch(connection)
    return Epoch(row["number"], row["name"]) if row["is_open"] else None


class CacheMembership:
    """This worker's membership: says when it may believe Redis, and opens a new epoch where one is needed.

    `renew` and `confirm` are called by whoever listens, for each heartbeat; `loop` does the rest.
    `told_by` is the subscriber that tells Redis of every change in the log.
    """

    def __init__(
        self, trust: CacheTrust, *, server: CacheServer, database: Database, worker: UUID, told_by: str
    ) -> None:
        self._trust = trust
        self._server = server
        self._database = database
        self._worker = worker
        self._told_by = told_by
        self._work = asyncio.Event()
        self.loop = BackgroundLoop(
            name="cache_membership",
            run_once=self.run_once,
            # A breaker that opens wakes nobody up: it is noticed after this.
            interval_s=2 * PAUSE_S,
            wake_up=self._work,
            least_pause_s=PAUSE_S,
            failure="cache_epoch_not_opened",
            retry_s=lambda _failures, _error: PAUSE_S,
        )
        # The latest epoch that was seen: number, name, whether it is open; and since when it has been closed.
        self._seen: tuple[int, str, bool] | None = None
        self._closed_since_s = 0.0
        # What may have been missed before this worker began to listen: Redis knows it once the subscriber is here in
        # the log, or in an epoch that began later than that.
        self._caught_up_at = 0
        self._covered_from = 0
        self._caught_up = False
        self._joined_s = 0.0
        self._starts_over = False
        self._sent_s = 0.0
        trust.on_loss(self._work.set)

    async def renew(self, connection: Any, *, is_new: bool) -> None:
        """Renew the membership through the connection that listens. `is_new`: it has just begun to listen."""
        self._sent_s = self._trust.clock_s()
        row = await queries.renew_member(connection, worker=self._worker, told_by=self._told_by)
        if not row["is_member"]:
            async with connection.transaction():
                # A server that crashes must not forget whom to wait for. What renews it need not wait for the disk.
                await connection.execute("set local synchronous_commit = on")
                await queries.add_member(connection, worker=self._worker)
            row = await queries.renew_member(connection, worker=self._worker, told_by=self._told_by)
        now_s = self._trust.clock_s()
        seen = (row["number"], row["name"], row["is_open"])
        if seen != self._seen:
            self._seen, self._closed_since_s = seen, now_s
        if is_new or self._starts_over:
            self._caught_up, self._covered_from = False, row["number"] + row["is_open"]
            self._caught_up_at = POSITION_MAX if self._starts_over else row["head"]
            self._joined_s = now_s - CATCH_UP_S if self._starts_over else now_s
            self._starts_over = False
        self._caught_up = self._caught_up or row["told"] >= self._caught_up_at or row["number"] >= self._covered_from

    def confirm(self) -> None:
        """Take in that everything said before the latest `renew` has been heard."""
        assert self._seen is not None
        number, name, is_open = self._seen
        if is_open and self._caught_up and not self._starts_over:
            self._trust.renew(number, name, self._sent_s + TRUST_S)
        else:
            self._trust.revoke()
        if self._needs_epoch:
            self._work.set()

    def revoke(self) -> None:
        """Believe nothing until there is a new connection: this one may have been deaf."""
        self._trust.revoke()

    def start_over(self) -> None:
        """Believe nothing until there is an epoch that begins after this moment."""
        self._starts_over = True
        self._trust.revoke()

    @property
    def is_believing(self) -> bool:
        """Return whether Redis is believed at present."""
        return self._trust.current() is not None

    async def run_once(self) -> None:
        """Open an epoch if one is needed, and ask a Redis that was away whether it is back."""
        # Redis that does not answer is logged where it is asked.
        with contextlib.suppress(RedisUnavailable):
            if self._server.breaker.is_open:
                await self._server.ping()
            if self._needs_epoch:
                await self._begin_epoch()
        if self._needs_epoch or self._server.breaker.is_open:
            self._work.set()

    async def leave(self) -> None:
        """Believe nothing from here on, so that nobody needs to wait for this worker."""
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
            return number == 0 or now_s > self._closed_since_s + ABANDONED_S
        return self._trust.is_lost(number) or (not self._caught_up and now_s > self._joined_s + CATCH_UP_S)

    async def _begin_epoch(self) -> None:
        """Close the epoch for every worker, wait until none believes it any more, and open the next one."""
        assert self._seen is not None
        number, name, _ = self._seen
        await self._server.ping()
        before = Epoch(number, name)
        async with self._database.connection() as connection:
            row = await queries.close_epoch(connection, number=number, name=new_name())
            if row is None:
                return  # another worker was first
            # After the closing: who joins later sees that the epoch is closed.
            others = [row async for row in queries.other_members(connection, worker=self._worker)]
        epoch = Epoch(row["number"], row["name"])
        logger.info("cache_epoch_closed", epoch=number, members=len(others) + 1)
        self._trust.lose(before)
        if others:
            await asyncio.sleep(TRUST_S)
        if not await self._server.open(epoch, before):
            return
        async with self._database.connection() as connection:
            opened = await queries.open_epoch(connection, number=epoch.number)
        if opened is not None:
            logger.info("cache_epoch_opened", epoch=epoch.number)
            await self._server.forget(before)
