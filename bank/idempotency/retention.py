"""Forgetting idempotency keys that nobody retries with any more, so that their table does not grow for ever."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import structlog

from bank.background import BackgroundLoop
from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.events.leases import CHANNEL
from bank.events.log import append
from bank.events.types.idempotency import KeysForgottenEvent
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
queries: Any = load_statements(__file__)

# 1 MiB of the table, some 3,000 keys: a statement of a few milliseconds, which nobody notices who waits for a page.
STRETCH_PAGES = 128
# With it a pass over ten million keys takes three minutes, and the database a few hundredths of its time.
PAUSE_S = 0.05
# A key lives this much longer than the retention at most. Each pass reads the whole table, so not more often.
PASS_EVERY_S = 3_600.0


class KeyRetention:
    """Forgets keys older than the retention: `loop` passes over the table about once an hour, `run_once` once.

    The table is walked by place, not by age: postings then have no index by age to keep up, and a pass costs reading
    the table once, however much of it is old.
    """

    def __init__(self, database: Database, clock: Clock, random: Random, retention: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self.loop = BackgroundLoop(
            name="key_retention",
            run_once=self.run_once,
            interval_s=PASS_EVERY_S,
            # Workers that were started together do not pass together.
            jitter=0.5,
            random=random,
            begins_with_pause=True,
            failure="keys_not_forgotten",
        )

    async def run_once(self) -> int:
        """Forget every key that was used longer ago than the retention; return how many.

        Ends early where another process is found at it: two at once would only read everything twice.
        """
        before, forgotten, first = self._clock.now() - self._retention, 0, 0
        async with self._database.connection() as connection:
            pages = await queries.count_key_pages(connection)
        while first < pages:
            async with self._database.transaction("begin") as connection:
                last = first + STRETCH_PAGES
                count = await queries.forget_keys(connection, first=(first, 0), last=(last, 0), before=before)
                if count and not forgotten:
                    # With the first that goes, so that `bank check` can tell forgotten keys from ones taken out.
                    await append(connection, [KeysForgottenEvent(used_before=before)], now=self._clock.now())
                    await connection.execute(f"notify {CHANNEL}")
            if count is None:
                break
            forgotten, first = forgotten + count, last
            await asyncio.sleep(PAUSE_S)
        metrics.KEYS_FORGOTTEN.inc(forgotten)
        if forgotten:
            logger.info("keys_forgotten", keys=forgotten)
        return forgotten
