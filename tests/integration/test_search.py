"""A time is found in the log, although the times are not exactly in the order of positions."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from bank.events.search import DISORDER_MAX, first_position_since
from bank.identifiers import uuid7
from tests.integration.log import Log

BEGIN = datetime(2031, 1, 1, tzinfo=UTC)


async def fill(log: Log, stamps: list[datetime]) -> None:
    async with log.database.transaction("begin") as connection:
        await connection.execute("update event_log_head set position = $1", len(stamps))
        await connection.execute(
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, metadata,"
            " created_at) select i, p, 'UserRegisteredEvent', i, 'User', '{}', '{}', t"
            " from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as n (i, p, t)",
            [uuid7() for _ in stamps], list(range(1, len(stamps) + 1)), stamps,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_the_first_event_since_a_time_is_found_among_unordered_times(log: Log, seed: int) -> None:
    random = Random(seed)
    step_s, disorder_s = random.choice([(1, 290), (60, 290), (600, 100), (30, 0)])
    stamps = [BEGIN + timedelta(seconds=step_s * n + random.uniform(0, disorder_s)) for n in range(700)]
    assert timedelta(seconds=disorder_s) < DISORDER_MAX
    await fill(log, stamps)
    moments = random.sample(stamps, 40) + [
        BEGIN + timedelta(seconds=random.uniform(-1_000, 701 * step_s + 1_000)) for _ in range(40)
    ]
    async with log.database.connection() as connection:
        for moment in moments:
            expected = next((n for n, stamp in enumerate(stamps, start=1) if stamp >= moment), len(stamps) + 1)
            assert await first_position_since(connection, moment) == expected


async def test_a_search_in_an_empty_log_returns_the_first_position(log: Log) -> None:
    async with log.database.connection() as connection:
        assert await first_position_since(connection, BEGIN) == 1
