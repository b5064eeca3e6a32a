"""The audit trail over GraphQL: pages of all rows, of one type or of one entity, for administrators only."""

import json
from typing import Any

import asyncpg
import pytest

from bank.audit import reads
from bank.events.types.registry import EVENT_TYPES
from tests.integration.actions import PopulatedBank, populate
from tests.integration.api import RunningBank


@pytest.fixture
async def populated(running_bank: RunningBank) -> PopulatedBank:
    populated = await populate(running_bank)
    await running_bank.caught_up()
    return populated


async def _page(populated: PopulatedBank, **given: Any) -> dict[str, Any]:
    reply = await populated.clients["admin"].run("AuditLogs", **given)
    page: dict[str, Any] = reply.data["auditLogs"]
    return page


async def _all(populated: PopulatedBank, **given: Any) -> list[dict[str, Any]]:
    """Return all nodes of all pages."""
    nodes, after = [], None
    while True:
        page = await _page(populated, after=after, limit=3, **given)
        nodes += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["pageInfo"]["endCursor"]


async def test_an_administrator_reads_all_actions_on_an_account(populated: PopulatedBank) -> None:
    nodes = await _all(populated, entityId=populated.a["id"])
    told = [node for node in nodes if node["action"] != "READ"]
    assert [node["action"] for node in told] == ["UPDATE", "UPDATE", "CREATE"]
    paid = told[0]
    assert paid["userId"] == populated.ids["ana"]
    assert json.loads(paid["oldValues"])["balance_minor"] == 10_000
    assert json.loads(paid["newValues"])["balance_minor"] == 9_000
    assert paid["ipAddress"] == "127.0.0.1"
    async with populated.bank.bank.database.connection() as connection:
        row = await connection.fetchrow("select * from audit_logs where number = $1", int(paid["number"]))
    assert (paid["hash"], int(paid["eventPosition"])) == (row["hash"].hex(), row["event_position"])


async def test_pages_neither_repeat_nor_skip_while_the_trail_grows(populated: PopulatedBank) -> None:
    async with populated.bank.bank.database.connection() as connection:
        rows = await connection.fetch("select number from audit_logs order by event_position desc")
    # The read of each page adds a row to the trail, before the cursor.
    assert [int(node["number"]) for node in await _all(populated)] == [row["number"] for row in rows]


@pytest.mark.parametrize("entity_type", ["User", "Account", "Transaction", "Hold", "AuditLog"])
async def test_a_filter_by_type_shows_only_rows_of_that_type(populated: PopulatedBank, entity_type: str) -> None:
    nodes = await _all(populated, entityType=entity_type)
    async with populated.bank.bank.database.connection() as connection:
        count = await connection.fetchval(
            "select count(*) from audit_logs where entity_type = $1 and action <> 'READ'", entity_type
        )
    assert {node["entityType"] for node in nodes} == ({entity_type} if count else set())
    assert len([node for node in nodes if node["action"] != "READ"]) == count


async def test_a_missing_entity_or_one_of_another_type_has_no_rows(populated: PopulatedBank) -> None:
    assert await _all(populated, entityId=populated.ids["ana"], entityType="Account") == []
    assert await _all(populated, entityId="00000000-0000-7000-8000-000000000001") == []


@pytest.mark.parametrize("limit", [0, 101, -1])
async def test_a_page_has_1_to_100_rows(populated: PopulatedBank, limit: int) -> None:
    reply = await populated.clients["admin"].run("AuditLogs", limit=limit)
    assert (reply.code, reply.body["errors"][0]["message"]) == ("BAD_INPUT", "limit must be 1 to 100.")


@pytest.mark.parametrize("entity_type", ["ACCOUNTS", "account", "Account ", "", "Moon", "xxxx" * 11, "AuditLogs"])
async def test_an_unknown_entity_type_is_refused_and_not_recorded(populated: PopulatedBank, entity_type: str) -> None:
    for more in ({}, {"entityId": populated.a["id"]}):
        reply = await populated.clients["admin"].run("AuditLogs", entityType=entity_type, **more)
        types = (
            "Account, Approval, AuditLog, Hold, IdempotencyKeys, Network, NotificationTemplate, Retention, SigningKey,"
            " Transaction, User"
        )
        message = f"entityType is one of {types}."
        assert (reply.code, reply.body["errors"][0]["message"]) == ("BAD_INPUT", message)
    async with populated.bank.bank.database.connection() as connection:
        assert await connection.fetchval("select count(*) from event_store where event_data::text like '%xxxx%'") == 0


@pytest.mark.parametrize(
    "entity_id", ["no id at all", "", "0001/00000042-4", "1", "g1890000-0000-7000-8000-00000000000"]
)
async def test_an_invalid_id_is_refused(populated: PopulatedBank, entity_id: str) -> None:
    given: tuple[dict[str, Any], ...] = ({}, {"entityType": "Account"})
    for more in given:
        reply = await populated.clients["admin"].run("AuditLogs", entityId=entity_id, **more)
        message = "entityId is not an id: the bank's are UUIDs."
        assert (reply.code, reply.body["errors"][0]["message"]) == ("BAD_INPUT", message)


def test_the_entity_types_are_those_of_the_events() -> None:
    about: set[object] = {
        event.aggregate_type for event in EVENT_TYPES.values() if isinstance(event.aggregate_type, str)
    }
    about |= {one for event in EVENT_TYPES.values() for one in event.aggregate_types or ()}
    assert about == set(reads.ENTITY_TYPES)
    assert set(reads.ENTITY_TYPES) >= reads.COMMON_TYPES


async def test_a_page_without_a_limit_has_twenty_rows(populated: PopulatedBank) -> None:
    assert len((await _page(populated))["edges"]) == 20
    assert len((await _page(populated, limit=None))["edges"]) == 20


@pytest.mark.parametrize("name", ["ana", "operator"])
async def test_only_administrators_read_the_audit_trail(populated: PopulatedBank, name: str) -> None:
    reply = await populated.clients[name].run("AuditLogs")
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert reply.body["data"] is None


async def _plan(connection: Any, sql: str, *arguments: Any) -> str:
    # PostgreSQL uses such a generic plan for a statement that runs often.
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare page as {sql.removesuffix(';')}")
    values = ", ".join("null" if value is None else f"'{value}'" for value in arguments)
    rows = await connection.fetch(f"explain execute page({values})")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("sql", "arguments", "index"),
    [
        (reads._OF_ALL, (500, 21), "audit_logs_tell_each_event_once"),
        (reads._OF_ENTITY, ("01890000-0000-7000-8000-000000000000", None, 500, 21), "audit_logs_by_entity"),
        (reads._OF_COMMON_TYPE, ("Account", 500, 21), "audit_logs_tell_each_event_once"),
        (reads._OF_RARE_TYPE, ("User", 500, 21), "audit_logs_by_rare_type"),
    ],
    ids=["all", "an entity", "a common type", "a rare type"],
)
async def test_a_page_of_rows_is_read_with_an_index(
    database_url: str, sql: str, arguments: tuple[Any, ...], index: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "insert into audit_logs (number, event_position, id, entity_type, entity_id, action, hash)"
        " select n, n, gen_random_uuid(), case when n % 100 = 0 then 'User' when n % 2 = 0 then 'Account' else"
        " 'Transaction' end, gen_random_uuid(), 'CREATE', sha256('') from generate_series(1, 20000) n"
    )
    await connection.execute("analyze audit_logs")
    plan = await _plan(connection, sql, *arguments)
    assert f"Index Scan Backward using {index}" in plan
    assert "Sort" not in plan
    await connection.close()
