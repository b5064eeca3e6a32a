"""Replay, redelivery and rebuild: one subscriber gets stored events again while the bank runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from bank.accounts.days import count_days, delete_days
from bank.clock import SystemClock
from bank.errors import BadInput
from bank.events.dispatch import RetryLater, Subscriber
from bank.events.event import RecordedEvent
from bank.events.replay import Interrupted, Replay, ReplayResult, taken_over
from bank.events.types.accounts import BalanceUpdatedEvent
from tests.integration.encryption import cipher_for
from tests.integration.events import balance_updated
from tests.integration.log import Log, Process, write_effect
from tests.integration.test_delivery_failures import insert_event

SERVED = Subscriber("s", write_effect)


def replay_of(log: Log, subscriber: Subscriber = SERVED) -> Replay:
    return Replay(log.database, subscriber, SystemClock(), cipher_for(log.database))


def ignore_progress(_done: int, _total: int) -> None:
    """Ignore the progress."""


async def position(log: Log, subscriber: str = "s") -> int:
    async with log.database.connection() as connection:
        place = "select position from subscriber_positions where subscriber = $1"
        return int(await connection.fetchval(place, subscriber))


async def has_position(log: Log, where: int, subscriber: str = "s") -> bool:
    return await position(log, subscriber) == where


async def has_stopped(process: Process) -> bool:
    return process.deliveries[0].position is None


async def served_once(log: Log, subscriber: Subscriber = SERVED, *, until: int) -> None:
    """Let a process serve the subscriber up to a position, then stop."""
    async with log.process(subscriber):
        await log.until(lambda: has_position(log, until, subscriber.name))


async def test_a_replay_delivers_a_range_again_and_does_not_move_the_position(log: Log) -> None:
    await log.append(6)
    await served_once(log, until=6)
    seen: list[tuple[int, int]] = []
    done = await replay_of(log).run(since=3, until=5, progress=lambda *how_far: seen.append(how_far))
    assert await log.effects() == [1, 2, 3, 4, 5, 6, 3, 4, 5]
    assert done == ReplayResult("s", 3, 5, handled=3)
    assert seen == [(3, 3)]
    assert await position(log) == 6


async def test_a_replay_ends_at_the_position_of_the_subscriber(log: Log) -> None:
    await log.append(3)
    await served_once(log, until=3)
    await log.append(4)
    done = await replay_of(log).run(since=2, until=None, progress=ignore_progress)
    assert (done.until, done.handled) == (3, 2)
    assert await log.effects() == [1, 2, 3, 2, 3]
    await served_once(log, until=7)
    assert await log.effects() == [1, 2, 3, 2, 3, 4, 5, 6, 7]


async def test_a_replay_and_live_delivery_do_not_overlap_and_new_events_follow(
    log: Log,
) -> None:
    at_work = 0
    in_the_middle, go_on = asyncio.Event(), asyncio.Event()

    async def alone(connection: Any, events: Sequence[RecordedEvent]) -> None:
        nonlocal at_work
        at_work += 1
        assert at_work == 1, "the live delivery and the replay are at it together"
        await write_effect(connection, events)
        at_work -= 1

    async def alone_and_slow(connection: Any, events: Sequence[RecordedEvent]) -> None:
        in_the_middle.set()
        await go_on.wait()
        await alone(connection, events)

    async with log.process(Subscriber("s", alone)) as live:
        await log.append(3)
        await log.until(lambda: has_position(log, 3))
        replaying = asyncio.create_task(
            replay_of(log, Subscriber("s", alone_and_slow)).run(since=1, until=None, progress=ignore_progress)
        )
        await in_the_middle.wait()
        await log.append(2)
        await log.until(lambda: has_stopped(live))
        assert await log.effects() == [1, 2, 3]
        go_on.set()
        assert (await replaying).handled == 3
        await log.until(lambda: has_position(log, 5))
    assert await log.effects() == [1, 2, 3, 1, 2, 3, 4, 5]
    assert await log.dead_letters() == []


async def test_a_delivery_that_a_replay_interrupts_is_rolled_back_and_repeated(log: Log) -> None:
    in_the_middle, go_on = asyncio.Event(), asyncio.Event()

    async def slow_once(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        in_the_middle.set()
        await go_on.wait()

    async with log.process(Subscriber("s", slow_once)) as live:
        await log.append(2)
        await in_the_middle.wait()
        async with taken_over(log.database, "s", "replay") as takeover:
            assert takeover.position == 0
            go_on.set()
            await log.until(lambda: has_stopped(live))
            assert await position(log) == 0
        await log.until(lambda: has_position(log, 2))
    assert await log.effects() == [1, 2]


async def test_two_replays_of_one_subscriber_cannot_run_together(log: Log) -> None:
    async with taken_over(log.database, "s", "rebuild"):
        with pytest.raises(BadInput, match="A rebuild of s is running; try again"):
            await replay_of(log).run(since=1, until=None, progress=ignore_progress)
    await replay_of(log).run(since=1, until=None, progress=ignore_progress)


async def test_live_delivery_continues_after_the_lease_of_a_dead_replay(log: Log) -> None:
    async with log.process(SERVED):
        await log.append(1)
        await log.until(lambda: has_position(log, 1))
        async with log.database.connection() as connection:
            await connection.execute(
                "update subscriber_positions"
                " set owner = $1, leased_until = now() + interval '1.2 s', taken_for = 'replay'",
                uuid4(),
            )
        await log.append(1)
        async with asyncio.timeout(5):
            await log.until(lambda: has_position(log, 2))
    async with log.database.connection() as connection:
        assert await connection.fetchval("select taken_for from subscriber_positions") is None


async def test_a_failure_in_a_replay_is_a_dead_letter_that_can_be_redelivered(log: Log) -> None:
    broken = {2, 4}

    async def handle(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        if found := broken & {event.position for event in events}:
            raise ValueError(f"{found} cannot be handled")

    await log.append(5)
    await served_once(log, until=5)
    replayed = await replay_of(log, Subscriber("s", handle)).run(since=1, until=None, progress=ignore_progress)
    assert replayed.failed == [2, 4]
    assert await log.effects() == [1, 2, 3, 4, 5, 1, 3, 5]
    assert await log.dead_letters() == [("s", 2, 1), ("s", 4, 1)]
    broken.remove(2)
    replayed = await replay_of(log, Subscriber("s", handle)).redeliver([2, 4], progress=ignore_progress)
    assert (replayed.handled, replayed.failed) == (1, [4])
    assert await log.effects() == [1, 2, 3, 4, 5, 1, 3, 5, 2]
    async with log.database.connection() as connection:
        open_ = await connection.fetch("select event_position, attempts from dead_letters where redelivered_at is null")
    assert [tuple(row) for row in open_] == [(4, 2)]
    assert await position(log) == 5


@pytest.mark.parametrize("outside", [False, True])
async def test_an_external_failure_interrupts_a_replay_with_advice_on_how_to_continue(
    log: Log, *, outside: bool
) -> None:
    async def handle(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        raise RetryLater("Redis is away.")

    await log.append(4)
    await served_once(log, until=4)
    replay = replay_of(log, Subscriber("s", handle, external_effect=outside))
    with pytest.raises(Interrupted, match=r"Interrupted: Redis is away; go on with --since 3\.$"):
        await replay.run(since=3, until=None, progress=ignore_progress)
    assert await log.dead_letters() == []
    assert await log.effects() == [1, 2, 3, 4] + ([3, 4] if outside else [])


async def test_a_redelivery_outside_of_the_database_stays_a_dead_letter_until_it_is_handled(log: Log) -> None:
    sent: list[int] = []

    async def send(_connection: Any, events: Sequence[RecordedEvent]) -> None:
        sent.extend(event.position for event in events)
        if len(sent) == 1:
            raise asyncpg.ConnectionDoesNotExistError("gone")

    await log.append(1)
    subscriber = Subscriber("s", send, external_effect=True)
    async with log.database.connection() as connection:
        await connection.execute("insert into dead_letters values ('s', 1, '-', 5)")
    with pytest.raises(Interrupted):
        await replay_of(log, subscriber).redeliver([1], progress=ignore_progress)
    assert (await replay_of(log, subscriber).redeliver([1], progress=ignore_progress)).handled == 1
    assert sent == [1, 1]


async def test_only_a_projection_is_rebuilt(log: Log) -> None:
    with pytest.raises(BadInput, match="s is not a projection and cannot be rebuilt"):
        await replay_of(log).rebuild(progress=ignore_progress)


DAYS = Subscriber("account_days", count_days, events=(BalanceUpdatedEvent,), reset=delete_days)


async def days(log: Log) -> list[tuple[Any, ...]]:
    async with log.database.connection() as connection:
        rows = await connection.fetch("select *, applied::text from account_days order by account_id, day")
        return [tuple(row.values()) for row in rows]


async def spend(log: Log, *, count: int) -> None:
    """Append `count` changes of the balance of one account."""
    account, user = uuid4(), uuid4()
    for version in range(1, count + 1):
        async with log.work.begin() as uow:
            uow.emit(
                balance_updated(
                    account_id=account, version=version, change_minor=(-1) ** version * version,
                    balance_minor=1_000 + version, initiated_by=user,
                )
            )  # fmt: skip


async def test_a_rebuilt_projection_has_the_same_rows_as_the_live_one(log: Log) -> None:
    await spend(log, count=300)
    await log.append(20)
    await spend(log, count=30)
    await served_once(log, DAYS, until=350)
    live = await days(log)
    assert len(live) == 2
    async with log.database.connection() as connection:
        await connection.execute("update account_days set debits = 0, closing_balance_minor = -1")
    done = await replay_of(log, DAYS).rebuild(progress=ignore_progress)
    assert (done.handled, done.until, done.failed) == (330, 350, [])
    assert await days(log) == live


async def test_a_projection_is_rebuilt_while_the_bank_appends_events(log: Log) -> None:
    stop = asyncio.Event()

    async def keep_coming() -> int:
        rounds = 0
        while not stop.is_set():
            await spend(log, count=20)
            rounds += 1
        return rounds

    async with log.process(DAYS):
        coming = asyncio.create_task(keep_coming())
        for _ in range(3):
            await further(log, await position(log, DAYS.name) + 100)
            await replay_of(log, DAYS).rebuild(progress=ignore_progress)
        stop.set()
        rounds = await coming
        await log.until(lambda: has_position(log, 20 * rounds, DAYS.name))
    live = await days(log)
    assert len(live) == rounds
    await replay_of(log, DAYS).rebuild(progress=ignore_progress)
    assert await days(log) == live
    assert await log.dead_letters() == []


async def further(log: Log, than: int) -> None:
    async def reached() -> bool:
        return await position(log, DAYS.name) >= than

    await log.until(reached)


async def test_readers_see_the_old_rows_until_the_rebuild_commits(log: Log) -> None:
    await spend(log, count=400)
    await served_once(log, DAYS, until=400)
    live = await days(log)
    looked: list[list[tuple[Any, ...]]] = []

    async def count_and_look(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await count_days(connection, events)
        looked.append(await days(log))

    await replay_of(log, replace(DAYS, handle=count_and_look)).rebuild(progress=ignore_progress)
    assert looked == [live, live]
    assert await days(log) == live


async def test_a_rebuild_that_loses_its_lease_changes_nothing(log: Log) -> None:
    await spend(log, count=10)
    await served_once(log, DAYS, until=10)
    async with log.database.connection() as connection:
        await connection.execute("update account_days set debits = 77")
    live = await days(log)

    async def lose_it(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await count_days(connection, events)
        async with log.database.connection() as other:
            await other.execute("update subscriber_positions set owner = $1", uuid4())

    with pytest.raises(Interrupted, match="Interrupted: The lease was lost; the rows are as they were"):
        await replay_of(log, replace(DAYS, handle=lose_it)).rebuild(progress=ignore_progress)
    assert await days(log) == live


def losing_its_lease(log: Log) -> Subscriber:
    """A subscriber whose effect is written, and whose lease another process then has."""

    async def lose_it(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await write_effect(connection, events)
        async with log.database.connection() as other:
            await other.execute("update subscriber_positions set owner = $1", uuid4())

    return Subscriber("s", lose_it)


async def test_a_replay_that_loses_its_lease_commits_nothing(log: Log) -> None:
    await log.append(3)
    await served_once(log, until=3)
    with pytest.raises(Interrupted, match="Interrupted: The lease was lost; go on with --since 1"):
        await replay_of(log, losing_its_lease(log)).run(since=1, until=None, progress=ignore_progress)
    assert await log.effects() == [1, 2, 3]


async def test_a_redelivery_that_loses_its_lease_commits_nothing_and_leaves_the_dead_letter(log: Log) -> None:
    await log.append(3)
    await served_once(log, until=3)
    async with log.database.connection() as connection:
        await connection.execute("insert into dead_letters values ('s', 2, '-', 5)")
    with pytest.raises(Interrupted, match="Interrupted: The lease was lost; run this again"):
        await replay_of(log, losing_its_lease(log)).redeliver([2], progress=ignore_progress)
    assert await log.effects() == [1, 2, 3]
    async with log.database.connection() as connection:
        assert await connection.fetchval("select redelivered_at is null from dead_letters")


async def test_a_rebuild_records_unreadable_events_as_dead_letters_and_resolves_old_ones(log: Log) -> None:
    await spend(log, count=3)
    broken = await insert_event(log, "BalanceUpdatedEvent", "{}")
    await spend(log, count=2)
    async with log.database.connection() as connection:
        await connection.execute("insert into dead_letters values ('account_days', 2, '-', 5)")
        await connection.execute("insert into subscriber_positions values ('account_days', 6)")
    done = await replay_of(log, DAYS).rebuild(progress=ignore_progress)
    assert (done.handled, done.failed) == (5, [broken])
    assert len(await days(log)) == 2
    async with log.database.connection() as connection:
        open_ = await connection.fetch("select event_position from dead_letters where redelivered_at is null")
    assert [row["event_position"] for row in open_] == [broken]
