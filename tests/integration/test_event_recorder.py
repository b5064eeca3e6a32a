"""The event recorder: events of concurrent callers are recorded together, each with its context, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bank.clock import SystemClock
from bank.database.pool import Database
from bank.errors import BankError, Overloaded, Unavailable
from bank.events import recorder as witness_module
from bank.events.bus import Bus
from bank.events.recorder import EventRecorder
from bank.events.types.sessions import UserLoggedOutEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, enter_context
from tests.integration.encryption import origins_for


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def recorder(database: Database) -> EventRecorder:
    return EventRecorder(UnitOfWorkFactory(database, Bus(), SystemClock(), origins_for(database)))


def _event() -> UserLoggedOutEvent:
    return UserLoggedOutEvent(session_id=uuid7(), initiated_by=uuid7())


async def _record(recorder: EventRecorder, correlation_id: str, *events: Any) -> None:
    enter_context(RequestContext(correlation_id))
    await recorder.record(*(events or (_event(),)))


async def _recorded(database: Database) -> list[Any]:
    async with database.connection() as connection:
        return list(
            await connection.fetch(
                "select metadata->>'correlation_id' as recorded_by, xmin::text as together from event_store"
                " order by position"
            )
        )


async def test_events_of_concurrent_callers_are_recorded_in_few_transactions(
    recorder: EventRecorder, database: Database
) -> None:
    await asyncio.gather(*[asyncio.create_task(_record(recorder, f"c{n}")) for n in range(50)])
    rows = await _recorded(database)
    assert sorted(row["recorded_by"] for row in rows) == sorted(f"c{n}" for n in range(50))
    assert len({row["together"] for row in rows}) <= 3


async def test_no_events_write_no_rows(recorder: EventRecorder, database: Database) -> None:
    await recorder.record()
    assert await _recorded(database) == []


async def test_an_event_that_cannot_be_written_fails_alone(recorder: EventRecorder, database: Database) -> None:
    broken = UserLoggedOutEvent(session_id=uuid7(), initiated_by="\ud800")  # type: ignore[arg-type]  # this is the bug
    told = await asyncio.gather(
        *[
            asyncio.create_task(_record(recorder, f"c{place}", event))
            for place, event in enumerate((_event(), _event(), broken, _event()))
        ],
        return_exceptions=True,
    )
    assert [type(one) for one in told] == [type(None), type(None), BankError, type(None)]
    assert [row["recorded_by"] for row in await _recorded(database)] == ["c0", "c1", "c3"]


async def test_an_unavailable_database_is_an_error_for_each_waiting_caller(
    recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(Database, "transaction", away)
    told = await asyncio.gather(*[_record(recorder, "c") for _ in range(3)], return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 3
    assert len({id(one) for one in told}) == 3


async def test_a_full_queue_of_events_is_overloaded(recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_module, "WAITING_MAX", 2)
    told = await asyncio.gather(*[_record(recorder, "c") for _ in range(9)], return_exceptions=True)
    kinds = [type(one) for one in told]
    assert set(kinds) == {type(None), Overloaded}


async def test_events_of_a_disconnected_caller_are_recorded(recorder: EventRecorder, database: Database) -> None:
    told = asyncio.create_task(_record(recorder, "gone"))
    await asyncio.sleep(0)
    told.cancel()
    await recorder.close()
    assert [row["recorded_by"] for row in await _recorded(database)] == ["gone"]
