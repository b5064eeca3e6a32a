"""The dispatcher works alike in live delivery and in a replay; only the range and the attempts differ."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bank import backoff
from bank.clock import SystemClock
from bank.events import dispatch
from bank.events.delivery import ATTEMPTS_MAX
from bank.events.dispatch import HandlerTimedOut, Subscriber
from bank.events.event import RecordedEvent
from bank.events.log import EventRange
from bank.events.replay import Replay
from tests.integration.encryption import cipher_for, plain_rows
from tests.integration.log import Log, write_effect
from tests.integration.test_delivery_failures import insert_event
from tests.integration.test_replay import ignore_progress, position, served_once

WAYS = pytest.mark.parametrize("way", ["live", "replay"])
ATTEMPTS = {"live": ATTEMPTS_MAX, "replay": 1}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.001)


class FailingHandler:
    """A handler that raises for some positions, and records the ranges that it gets."""

    def __init__(self, *poison: int) -> None:
        self._poison = set(poison)
        self.calls: list[list[int]] = []

    async def __call__(self, connection: Any, events: Sequence[RecordedEvent]) -> None:
        self.calls.append([event.position for event in events])
        await write_effect(connection, events)
        if self._poison & set(self.calls[-1]):
            raise ValueError("poison")


async def delivered(log: Log, way: str, subscriber: Subscriber, until: int) -> None:
    """Deliver the log up to a position: live, or in a replay after the subscriber has passed it."""
    if way == "live":
        await served_once(log, subscriber, until=until)
        return
    async with log.database.connection() as connection:
        await connection.execute("insert into subscriber_positions values ('s', $1)", until)
    replay = Replay(log.database, subscriber, SystemClock(), cipher_for(log.database))
    await replay.run(since=1, until=None, progress=ignore_progress)
    assert await position(log) == until


@WAYS
async def test_a_range_is_handled_once(log: Log, way: str) -> None:
    handle = FailingHandler()
    await log.append(3)
    await delivered(log, way, Subscriber("s", handle), 3)
    assert handle.calls == [[1, 2, 3]]
    assert await log.effects() == [1, 2, 3]


@WAYS
async def test_events_of_a_failed_range_are_handled_one_by_one(log: Log, way: str) -> None:
    handle = FailingHandler(2)
    await log.append(3)
    await delivered(log, way, Subscriber("s", handle), 3)
    assert handle.calls == [[1, 2, 3], [1], *([[2]] * ATTEMPTS[way]), [3]]
    assert await log.effects() == [1, 3]
    assert await log.dead_letters() == [("s", 2, ATTEMPTS[way])]


@WAYS
async def test_a_failed_range_of_one_event_is_the_first_attempt_of_that_event(log: Log, way: str) -> None:
    handle = FailingHandler(1)
    await log.append(1)
    await delivered(log, way, Subscriber("s", handle), 1)
    assert handle.calls == [[1]] * ATTEMPTS[way]
    assert await log.effects() == []
    assert await log.dead_letters() == [("s", 1, ATTEMPTS[way])]


@WAYS
async def test_an_unreadable_event_is_a_dead_letter_and_reaches_no_handler(log: Log, way: str) -> None:
    handle = FailingHandler()
    await log.append(1)
    broken = await insert_event(log, "UserRegisteredEvent", "{}")
    await log.append(1)
    await delivered(log, way, Subscriber("s", handle), 3)
    assert handle.calls == [[1], [3]]
    assert await log.dead_letters() == [("s", broken, 1)]


@WAYS
async def test_a_failure_outside_of_the_database_is_isolated_too(log: Log, way: str) -> None:
    sent: list[list[int]] = []

    async def send(_connection: Any, events: Sequence[RecordedEvent]) -> None:
        sent.append([event.position for event in events])
        if any(event.position == 2 for event in events):
            raise ValueError("poison")

    await log.append(3)
    await delivered(log, way, Subscriber("s", send, external_effect=True), 3)
    assert sent == [[1, 2, 3], [1], *([[2]] * ATTEMPTS[way]), [3]]
    assert await log.dead_letters() == [("s", 2, ATTEMPTS[way])]


@WAYS
async def test_a_hanging_handler_is_cancelled(log: Log, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HANDLE_MAX_S", 0.02)

    async def hang(_connection: Any, _events: Sequence[RecordedEvent]) -> None:
        await asyncio.Event().wait()

    await log.append(1)
    await delivered(log, way, Subscriber("s", hang), 1)
    assert await log.dead_letters() == [("s", 1, ATTEMPTS[way])]
    async with log.database.connection() as connection:
        [letter] = await plain_rows(connection, cipher_for(log.database), "select error from dead_letters")
    assert HandlerTimedOut.__name__ in letter["error"]


async def test_a_range_of_other_types_moves_the_position_without_a_call(log: Log) -> None:
    handle = FailingHandler()
    process = log.process(Subscriber("s", handle))
    await process.leases.register()
    await process.leases.run_once()
    delivery = process.deliveries[0]
    await delivery.dispatcher.dispatch(EventRange(0, 7, ()), delivery.scope)
    assert (delivery.position, await position(log), handle.calls) == (7, 7, [])
