"""Retention of idempotency keys: old keys, which no client retries with, are deleted to keep their table small."""

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
from bank.events.origins import NO_METADATA
from bank.events.types.idempotency import KeysForgottenEvent
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
queries: Any = load_statements(__file__)

# 1 MiB of the table, with some 3,000 keys: a statement takes a few milliseconds, and delays no other one noticeably.
CHUNK_PAGES = 128
# With this pause between chunks, a pass over ten million keys takes three minutes, and a few per cent of the database.
PAUSE_S = 0.05
# A key may exist for this time longer than the retention. A pass reads the whole table, so it is not made more often.
PASS_EVERY_S = 3_600.0


class KeyRetention:
    """Deletion of keys older than the retention: `loop` passes over the table about once an hour, `run_once` once.

    A pass reads the table in the order of its pages, not of age (decision 0012). So postings need not update an index
    on the age, and a pass reads the table once, however many keys are old.
    """

    def __init__(self, database: Database, clock: Clock, random: Random, retention: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self.loop = BackgroundLoop(
            name="key_retention",
            run_once=self.run_once,
            interval_s=PASS_EVERY_S,
            # With jitter, workers that were started together do not make their passes at the same time.
            jitter=0.5,
            random=random,
            begins_with_pause=True,
            failure="keys_not_forgotten",
        )

    async def run_once(self) -> int:
        """Delete every key that was used longer ago than the retention; return their number.

        Ends early if another process makes a pass, because two passes at once would only read the table twice.
        """
        before, forgotten, first = self._clock.now() - self._retention, 0, 0
        async with self._database.connection() as connection:
            pages = await queries.count_key_pages(connection)
        while first < pages:
            async with self._database.transaction("begin") as connection:
                last = first + CHUNK_PAGES
                count = await queries.forget_keys(connection, first=(first, 0), last=(last, 0), before=before)
                if count and not forgotten:
                    # The event commits with the first deletion, so that `bank check` can distinguish deleted old keys
                    # from keys that were deleted by hand.
                    event = KeysForgottenEvent(used_before=before)
                    await append(connection, [event], now=self._clock.now(), metadata=[NO_METADATA])
                    await connection.execute(f"notify {CHANNEL}")
            if count is None:
                break
            forgotten, first = forgotten + count, last
            await asyncio.sleep(PAUSE_S)
        metrics.KEYS_FORGOTTEN.inc(forgotten)
        if forgotten:
            logger.info("keys_forgotten", keys=forgotten)
        return forgotten
