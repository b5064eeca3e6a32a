"""Failures of a delivery: transient errors, unreadable events, lost leases, and the lag."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from bank import backoff
from bank.errors import OutcomeUnknown
from bank.events import dispatch
from bank.events.bus import Bus
from bank.events.delivery import ATTEMPTS_MAX
from bank.events.dispatch import LostLease, Subscriber, is_transient
from bank.events.event import RecordedEvent
from bank.events.log import EventRange
from bank.events.types import registry
from bank.events.types.accounts import AccountCreatedEvent
from bank.events.types.users import UserRegisteredEvent
from bank.identifiers import uuid7
from tests.integration.encryption import cipher_for, plain_rows
from tests.integration.log import Log, Process, write_effect


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.001)
    monkeypatch.setattr(backoff, "MAX_S", 0.01)


async def insert_event(log: Log, event_type: str, data: str, *, version: int = 1) -> int:
    """Insert a row into the event store as another program would do. Returns its position."""
    async with log.database.transaction("begin") as connection:
        position = await connection.fetchval("update event_log_head set position = position + 1 returning position")
        await connection.execute(
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data,"
            " event_version, metadata) values ($1, $2, $3, $1, 'User', $4, $5, '{}')",
            uuid7(), position, event_type, data, version,
        )  # fmt: skip
    return int(position)


async def leased_process(log: Log) -> Process:
    """Return a process that holds its lease and does not run its loops."""
    process = log.process(Subscriber("s", write_effect))
    await process.leases.register()
    await process.leases.run_once()
    return process


def metric_value(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"subscriber": "s"})


async def moved_to(process: Process, position: int) -> bool:
    return process.deliveries[0].position == position


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
        OutcomeUnknown("The connection broke while committing."),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_transient_error_never_makes_a_dead_letter(log: Log, error: Exception) -> None:
    failures = iter(range(2 * ATTEMPTS_MAX))

    async def handle(connection: Any, events: Sequence[RecordedEvent]) -> None:
        if next(failures, None) is not None:
            raise error
        await write_effect(connection, events)

    await log.append(3)
    async with log.process(Subscriber("s", handle)) as process:
        await log.until(lambda: moved_to(process, 3))
    assert await log.effects() == [1, 2, 3]
    assert await log.dead_letters() == []


def test_an_error_about_the_statement_is_not_transient() -> None:
    for error in (asyncpg.UniqueViolationError("twice"), asyncpg.UndefinedTableError("none"), KeyError("x")):
        assert not is_transient(error)


async def test_a_hanging_handler_is_cancelled_and_counts_as_a_failure(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "HANDLE_MAX_S", 0.02)

    async def hang_on_two(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        if any(event.position == 2 for event in events):
            await asyncio.Event().wait()

    await log.append(3)
    async with log.process(Subscriber("s", hang_on_two)) as process:
        await log.until(lambda: moved_to(process, 3))
    assert await log.effects() == [1, 3]
    assert await log.dead_letters() == [("s", 2, ATTEMPTS_MAX)]


async def test_an_unreadable_event_becomes_a_dead_letter_of_its_subscribers(log: Log) -> None:
    await log.append(2)
    broken = await insert_event(log, "UserRegisteredEvent", json.dumps({"id": "nobody"}))
    await log.append(1)
    passing_by = Subscriber("other", write_effect, events=(AccountCreatedEvent,))
    async with log.process(Subscriber("s", write_effect), passing_by) as process:

        async def both() -> bool:
            return [delivery.position for delivery in process.deliveries] == [4, 4]

        await log.until(both)
    assert await log.effects() == [1, 2, 4]
    assert await log.dead_letters() == [("s", broken, 1)]
    async with log.database.connection() as connection:
        [letter] = await plain_rows(connection, cipher_for(log.database), "select error from dead_letters")
    assert "the event at position 3 cannot be read" in letter["error"]


async def test_an_event_of_a_newer_bank_waits_for_a_process_with_its_type(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MoonPhaseChangedEvent(UserRegisteredEvent, frozen=True, kw_only=True, gc=False):
        """An event type of a newer version of the bank."""

    await log.append(1)
    await insert_event(log, "MoonPhaseChangedEvent", json.dumps({"id": str(uuid7()), "role": "CUSTOMER"}))
    old = log.process(Subscriber("s", write_effect))

    async def stepped_aside() -> bool:
        async with log.database.connection() as connection:
            row = await connection.fetchrow("select owner, position from subscriber_positions")
            return row is not None and (row["owner"], row["position"]) == (None, 1)

    async with old:
        await log.until(stepped_aside)
        assert await log.effects() == [1]
        monkeypatch.setitem(registry.EVENT_TYPES, "MoonPhaseChangedEvent", MoonPhaseChangedEvent)
        async with log.process(Subscriber("s", write_effect), bus=Bus()) as new:
            await log.until(lambda: moved_to(new, 2))
    assert await log.effects() == [1, 2]
    assert await log.dead_letters() == []


async def test_a_process_that_obtains_its_lost_lease_again_does_not_repeat_events(log: Log) -> None:
    in_the_middle, go_on = asyncio.Event(), asyncio.Event()

    async def wait_once(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        in_the_middle.set()
        await go_on.wait()

    await log.append(2)
    process = log.process(Subscriber("s", wait_once))
    await process.leases.register()
    await process.leases.run_once()
    delivery = process.deliveries[0]
    late = asyncio.create_task(delivery.run_once())
    await in_the_middle.wait()
    await log.append(2)
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set owner = $1", uuid4())
        await process.leases.run_once()
        assert delivery.position is None
        await connection.execute("update subscriber_positions set owner = null, position = 4")
        await process.leases.run_once()
    assert delivery.position == 4
    go_on.set()
    with pytest.raises(LostLease):
        await late
    assert delivery.position == 4
    assert await log.effects() == []
    await log.append(1)
    await delivery.run_once()
    assert await log.effects() == [5]


async def test_a_lease_lost_before_the_reply_to_a_commit_can_be_obtained_again(log: Log) -> None:
    process = await leased_process(log)
    delivery = process.deliveries[0]
    await log.append(1)
    delivery.lease_lost()
    delivery._moved(EventRange(0, 1, ()))
    assert delivery.position is None
    await process.leases.run_once()
    assert delivery.position == 0
    assert await delivery.run_once()
    assert await log.effects() == [1]


async def test_the_row_of_a_dead_process_does_not_block_renewals_of_others(log: Log) -> None:
    process = log.process(Subscriber("s", write_effect), Subscriber("t", write_effect))
    await process.leases.register()
    locker = await asyncpg.connect(log.url)
    await locker.execute(
        "update subscriber_positions set owner = $1, leased_until = now() where subscriber = 't'", uuid4()
    )
    async with locker.transaction():
        await locker.execute("select from subscriber_positions where subscriber = 't' for update")
        async with asyncio.timeout(2):
            await process.leases.run_once()
        assert [delivery.position for delivery in process.deliveries] == [0, None]
    await process.leases.run_once()
    assert [delivery.position for delivery in process.deliveries] == [0, 0]
    await locker.close()


async def test_the_metrics_of_lag_and_dead_letters_do_not_depend_on_the_serving_process(log: Log) -> None:
    process = await leased_process(log)
    await log.append(3)
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set owner = $1, position = 1", uuid4())
        await connection.execute(
            "insert into dead_letters (subscriber, event_position, error, attempts, redelivered_at)"
            " values ('s', 1, '-', 5, null), ('s', 2, '-', 5, now())"
        )
    await process.leases.run_once()
    assert process.deliveries[0].position is None
    assert metric_value("bank_subscriber_lag_events") == 2
    assert 0 < (metric_value("bank_subscriber_lag_seconds") or 0) < 60
    assert metric_value("bank_dead_letters_open") == 1
    async with log.database.connection() as connection:
        await connection.execute("update subscriber_positions set position = 3")
    await process.leases.run_once()
    assert metric_value("bank_subscriber_lag_events") == 0
    assert metric_value("bank_subscriber_lag_seconds") == 0
