"""Retention: a pass each hour deletes what the policy (`contracts/retention.toml`) does not keep any longer.

Each deletion is counted and audited by an event of the same transaction. `bank check` needs the event as well: a
session may be missing only if an event says that sessions of its age were deleted.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import structlog

from bank.background import BackgroundLoop
from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.encryption.keys import CHANNEL as KEYS_CHANNEL
from bank.events.leases import CHANNEL
from bank.events.log import append
from bank.events.origins import NO_METADATA
from bank.events.types.privacy import RetentionAppliedEvent
from bank.privacy.identities import key_owner
from bank.privacy.policy import POLICY
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
queries = load_statements(__file__)

# A chunk of sessions and their refresh tokens takes some ten milliseconds, and delays no other statement noticeably.
CHUNK_ROWS_MAX = 500
PAUSE_S = 0.05
# The policy has days. But a worker that is restarted every day would never make a pass that is due once a day.
PASS_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class _Job:
    """The statements of one rule. `delete` deletes up to a number of rows, and returns the number; `count` counts."""

    delete: str
    count: str


_JOBS: Mapping[str, _Job] = {
    "sessions": _Job("delete_ended_sessions", "count_ended_sessions"),
    "day_keys": _Job("destroy_day_keys", "count_day_keys"),
    "dead_letters": _Job("delete_redelivered", "count_redelivered"),
    "login_failures": _Job("delete_failures", "count_failures"),
    "login_devices": _Job("delete_devices", "count_devices"),
    "security_observations": _Job("delete_observations", "count_observations"),
    "identities": _Job("delete_identities", "count_ended_identities"),
}
"""The job of each rule that deletes. Idempotency keys have their own (`bank.idempotency.retention`)."""


class DataRetention:
    """Deletion of old data: `loop` makes a pass about once an hour, `run_once` makes one."""

    def __init__(self, database: Database, clock: Clock, random: Random) -> None:
        self._database = database
        self._clock = clock
        self.loop = BackgroundLoop(
            name="data_retention",
            run_once=self.run_once,
            interval_s=PASS_EVERY_S,
            # With jitter, workers that were started together do not make their passes at the same time.
            jitter=0.5,
            random=random,
            begins_with_pause=True,
            failure="retention_failed",
        )

    async def run_once(self) -> dict[str, int]:
        """Delete everything that is older than its rule; return the number of rows by rule.

        A rule of which another process deletes at the moment is left out.
        """
        return {rule: await self._apply(rule, job) for rule, job in _JOBS.items()}

    async def count(self) -> dict[str, int]:
        """Return the number of rows that `run_once` would delete, by rule."""
        async with self._database.connection() as connection:
            return {
                rule: await getattr(queries, job.count)(connection, before=self._before(rule))
                for rule, job in _JOBS.items()
            }

    def _before(self, rule: str) -> datetime:
        """Return the time before which rows are deleted: the beginning of a day, so that the age is in whole days."""
        # A retained identity has the end of its term in its row.
        keep = timedelta(0) if rule == "identities" else POLICY[rule].keep
        before = self._clock.now().astimezone(UTC) - keep
        return before.replace(hour=0, minute=0, second=0, microsecond=0)

    async def _apply(self, rule: str, job: _Job) -> int:
        before, deleted = self._before(rule), 0
        while rows := await self._delete_chunk(rule, job, before):
            deleted += rows
            await asyncio.sleep(PAUSE_S)
        if deleted:
            logger.info("retention_applied", rule=rule, rows=deleted)
        return deleted

    async def _delete_chunk(self, rule: str, job: _Job, before: datetime) -> int:
        async with self._database.transaction("begin") as connection:
            if not await queries.lock_retention(connection):
                return 0
            now = self._clock.now()
            keys: list[int] = []
            if rule == "day_keys":
                found = queries.destroy_day_keys(connection, before=before, max_rows=CHUNK_ROWS_MAX, now=now)
                keys = [row["number"] async for row in found]
                rows = len(keys)
            elif rule == "identities":
                keys, rows = await _delete_identities(connection, before, now)
            else:
                rows = await getattr(queries, job.delete)(connection, before=before, max_rows=CHUNK_ROWS_MAX)
            if rows:
                event = RetentionAppliedEvent(rule=rule, before=before, rows=rows)
                await append(connection, [event], now=now, metadata=[NO_METADATA])
                await _notify(connection, keys)
        metrics.RETENTION_ROWS.labels(rule).inc(rows)
        return rows


async def _delete_identities(connection: Any, before: datetime, now: datetime) -> tuple[list[int], int]:
    """Delete records after their term with their keys; return the numbers of the keys, and the number of records."""
    ended = queries.ended_identities(connection, before=before, max_rows=CHUNK_ROWS_MAX)
    person_ids = [row["person_id"] async for row in ended]
    await queries.delete_identities(connection, person_ids=person_ids)
    destroyed = queries.destroy_keys_of(connection, person_ids=[key_owner(one) for one in person_ids], now=now)
    return [row["number"] async for row in destroyed], len(person_ids)


async def _notify(connection: Any, destroyed_keys: list[int]) -> None:
    for number in destroyed_keys:
        await connection.execute("select pg_notify($1, $2)", KEYS_CHANNEL, str(number))
    await connection.execute(f"notify {CHANNEL}")
