"""The chain of audit rows: it is intact as the bank writes it, and every change of it is found and named."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import asyncpg
import pytest
from alembic import command

from bank.audit import verify_chain as chain_module
from bank.audit.verify_chain import ChainVerdict, Fault, verify_chain
from bank.database.migrate import _config, upgrade
from tests.integration.trail import AWKWARD, Trail, open_trail


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[Trail]:
    async with open_trail(database_url) as trail:
        yield trail


async def _fault(trail: Trail) -> Fault:
    verdict = await verify_chain(trail.connection)
    assert verdict.fault is not None
    return verdict.fault


async def test_a_chain_that_the_bank_wrote_is_intact(trail: Trail) -> None:
    await trail.write(20)
    verdict = await verify_chain(trail.connection)
    last = await trail.connection.fetchval("select hash from audit_logs where number = 20")
    assert verdict == ChainVerdict(rows=20, number=20, hash=last)


async def test_an_empty_chain_is_intact(trail: Trail) -> None:
    assert await verify_chain(trail.connection) == ChainVerdict(rows=0, number=0, hash=bytes(32))


async def test_a_hash_covers_the_previous_hash_every_other_column_and_the_event(trail: Trail) -> None:
    await trail.write(3)
    hash_ = bytes(32)
    events = await trail.connection.fetch("select * from event_store order by position")
    for row, event in zip(
        await trail.connection.fetch("select * from audit_logs order by number"), events, strict=True
    ):
        text = "[{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]".format(
            row["event_position"],
            *(json.dumps(str(row[name])) if row[name] else "null" for name in ("id", "user_id")),
            *(json.dumps(str(row[name])) for name in ("entity_type", "entity_id", "action")),
            *(row[name] or "null" for name in ("old_values", "new_values")),
            *(_as_json(row[name]) for name in ("ip_address", "user_agent")),
            json.dumps(_moment(row["created_at"])),
            *(json.dumps(str(event[name])) for name in ("id", "event_type")),
            *(event[name] for name in ("event_version", "event_data", "metadata")),
        )
        hash_ = sha256(hash_ + text.encode()).digest()
        assert row["hash"] == hash_
    columns = set(row.keys())
    assert columns == {"number", "event_position", "id", "user_id", "entity_type", "entity_id", "action", "old_values",
                       "new_values", "ip_address", "user_agent", "created_at", "hash"}  # fmt: skip


def _moment(moment: datetime) -> str:
    # PostgreSQL writes at most this number of decimals.
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".")


def _as_json(text: str) -> str:
    # PostgreSQL escapes only what must be escaped.
    return json.dumps(text, ensure_ascii=False)


async def test_the_hashed_text_does_not_depend_on_session_settings(trail: Trail, database_url: str) -> None:
    await trail.write(4)
    settings = {
        "timezone": "Asia/Kathmandu",
        "datestyle": "German",
        "bytea_output": "escape",
        "intervalstyle": "iso_8601",
    }
    elsewhere = await asyncpg.connect(database_url, server_settings=settings)
    assert (await verify_chain(elsewhere)).fault is None
    await elsewhere.close()


@pytest.mark.parametrize(
    ("after", "until", "rows"), [(0, 7, 7), (7, 20, 13), (7, None, 13), (20, None, 0), (19, 20, 1)]
)
async def test_a_range_is_verified_without_the_rest_of_the_chain(
    trail: Trail, after: int, until: int | None, rows: int
) -> None:
    await trail.write(20)
    verdict = await verify_chain(trail.connection, after=after, until=until)
    assert (verdict.rows, verdict.number, verdict.fault) == (rows, until or 20, None)


async def test_progress_is_reported_and_chunks_are_connected(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "CHUNK", 7)
    await trail.write(20)
    told: list[tuple[int, int]] = []
    verdict = await verify_chain(trail.connection, progress=lambda done, total: told.append((done, total)))
    assert verdict.fault is None
    assert told == [(7, 20), (14, 20), (20, 20)]


async def test_a_repeated_delivery_changes_nothing(trail: Trail) -> None:
    await trail.write(10)
    before = await trail.connection.fetch("select * from audit_logs order by number")
    await trail.record()
    await trail.record(after=3, until=8)
    await trail.append(3)
    # A range with old and new events, as after a partial delivery.
    await trail.record(after=5)
    rows = await trail.connection.fetch("select * from audit_logs order by number")
    assert rows[:10] == before
    assert [(row["number"], row["event_position"]) for row in rows] == [(n, n) for n in range(1, 14)]
    assert (await verify_chain(trail.connection)).rows == 13


async def test_a_row_that_comes_late_continues_the_chain(trail: Trail) -> None:
    await trail.append(8)
    await trail.record(until=3)
    await trail.record(after=4, until=6)
    await trail.record(after=3, until=4)
    await trail.record()
    rows = await trail.connection.fetch("select number, event_position from audit_logs order by number")
    assert [row["event_position"] for row in rows] == [1, 2, 3, 5, 6, 4, 7, 8]
    verdict = await verify_chain(trail.connection)
    assert (verdict.rows, verdict.fault) == (8, None)


CHANGES = {
    "event_position": "event_position + 1000",
    "id": "gen_random_uuid()",
    "user_id": "gen_random_uuid()",
    "entity_type": "'User'",
    "entity_id": "gen_random_uuid()",
    "action": "'READ'",
    "old_values": "'{}'",
    "new_values": "'{}'",
    "ip_address": "'10.0.0.1'",
    "user_agent": "null",
    "created_at": "created_at - interval '1 microsecond'",
    "hash": "sha256('')",
}


@pytest.mark.parametrize("column", CHANGES)
async def test_an_edit_of_any_column_is_found(trail: Trail, column: str) -> None:
    await trail.write(20)
    await trail.tamper(f"update audit_logs set {column} = {CHANGES[column]} where number = 11")
    fault = await _fault(trail)
    assert fault.number == 11
    assert fault.sentence.startswith("audit row 11 (event ")
    assert "has been changed" in fault.sentence


EVENT_CHANGES = {
    "id": "gen_random_uuid()",
    "event_type": "'AccountClosedEvent'",
    "event_version": "event_version + 1",
    "event_data": 'event_data || \'{"reason": "another"}\'',
    "metadata": "'{}'",
}


@pytest.mark.parametrize("column", EVENT_CHANGES)
async def test_an_event_that_was_edited_after_it_was_audited_is_found(trail: Trail, column: str) -> None:
    await trail.write(20)
    await trail.tamper(f"update event_store set {column} = {EVENT_CHANGES[column]} where position = 11")
    fault = await _fault(trail)
    assert fault.number == 11
    assert fault.sentence.startswith("audit row 11 (event 11) is not as it was written: it or its event has been ")


async def test_an_event_that_was_deleted_after_it_was_audited_is_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper("delete from event_store where position = 11")
    fault = await _fault(trail)
    assert fault.number == 11
    assert fault.sentence.startswith("audit row 11 (event 11) tells of an event that the log has not: ")


async def test_a_value_moved_from_one_column_to_the_next_is_an_edit(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper("update audit_logs set ip_address = user_agent, user_agent = ip_address where number = 11")
    assert (await _fault(trail)).number == 11


async def test_a_deleted_row_is_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper("delete from audit_logs where number = 11")
    assert await _fault(trail) == Fault(11, "audit row 11 is missing")


@pytest.mark.parametrize("until", [20, 25])
async def test_a_range_with_a_missing_end_is_found(trail: Trail, until: int) -> None:
    await trail.write(20)
    await trail.tamper("delete from audit_logs where number > 18")
    assert (await verify_chain(trail.connection, until=until)).fault == Fault(19, "audit row 19 is missing")


async def test_a_range_after_a_missing_row_is_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper("delete from audit_logs where number = 7")
    assert (await verify_chain(trail.connection, after=7)).fault == Fault(7, "audit row 7 is missing")


async def test_a_deleted_row_is_found_after_the_later_rows_were_renumbered(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper(
        "delete from audit_logs where number = 11",
        "update audit_logs set number = number + 1000 where number > 11",
        "update audit_logs set number = number - 1001 where number > 1000",
    )
    assert (await _fault(trail)).number == 11


async def test_reordered_rows_are_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper(
        "update audit_logs set number = 1000 where number = 11",
        "update audit_logs set number = 11 where number = 12",
        "update audit_logs set number = 12 where number = 1000",
    )
    fault = await _fault(trail)
    assert (fault.number, "moved" in fault.sentence) == (11, True)


ROW_INSERTED = (
    "insert into audit_logs (number, event_position, id, entity_type, entity_id, action, hash) select {number},"
    " {number} + 1000, gen_random_uuid(), 'User', gen_random_uuid(), 'CREATE', hash from audit_logs where number = 1"
)


async def test_an_inserted_row_is_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper(
        "update audit_logs set number = number + 1000 where number > 10",
        "update audit_logs set number = number - 999 where number > 1000",
        ROW_INSERTED.format(number=11),
    )
    fault = await _fault(trail)
    assert (fault.number, "put in" in fault.sentence) == (11, True)


async def test_a_row_inserted_beside_another_is_found(trail: Trail) -> None:
    await trail.write(20)
    await trail.tamper(
        "alter table audit_logs drop constraint audit_logs_number_is_unique", ROW_INSERTED.format(number=11)
    )
    # PostgreSQL decides which of the two comes first.
    assert (await _fault(trail)).number == 11


async def test_rows_from_before_the_chain_are_chained_by_the_migration(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await asyncio.to_thread(command.upgrade, _config(postgres_url), "0001")
    await connection.execute(
        "insert into audit_logs (id, event_position, entity_type, entity_id, action, user_agent)"
        " select gen_random_uuid(), 31 - n, 'User', gen_random_uuid(), 'CREATE', $1 from generate_series(1, 30) n",
        AWKWARD,
    )
    await asyncio.to_thread(upgrade, postgres_url)
    verdict = await verify_chain(connection)
    numbers = await connection.fetch("select number, event_position from audit_logs order by number")
    assert [row["event_position"] for row in numbers] == list(range(1, 31))
    assert (verdict.rows, verdict.fault) == (30, None)
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute("update audit_logs set number = 5")
    await connection.close()
