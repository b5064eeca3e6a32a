"""Every stored event is valid according to its JSON Schema in the contract, in each of its versions."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

import contracts
from bank.events.log import read
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.registry import EVENT_TYPES, UnknownEvent, decode_event
from bank.events.upcasters import UPCASTERS
from bank.identifiers import uuid7
from tests.integration.api import RunningBank
from tests.integration.events import one_of_each


def _schema(event_type: str, version: int) -> dict[str, Any]:
    text = (contracts.EVENTS / f"{event_type}.v{version}.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _validate(data: str, schema: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(data), schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_has_a_valid_schema(event_type: str) -> None:
    event = EVENT_TYPES[event_type]
    schema = _schema(event_type, event.event_version)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"{event_type}, version {event.event_version}"
    assert list(schema["properties"]) == list(event.__struct_fields__)


def test_every_schema_has_an_event_type_and_every_version_has_a_schema() -> None:
    files = {file.name for file in contracts.EVENTS.iterdir() if file.name.endswith(".json")}
    versions = {(name, n) for name, event in EVENT_TYPES.items() for n in range(1, event.event_version + 1)}
    assert files == {f"{name}.v{version}.json" for name, version in versions}


def test_every_old_version_has_an_upcaster_to_the_next() -> None:
    assert set(UPCASTERS) == {(name, n) for name, event in EVENT_TYPES.items() for n in range(1, event.event_version)}


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_every_event_is_valid_by_its_schema_and_is_decoded_unchanged(event: Any) -> None:
    name, data = type(event).__name__, msgspec.json.encode(event).decode()
    schema = _schema(name, event.event_version)
    _validate(data, schema)
    about = schema["x-aggregate-type"]
    assert event.aggregate_type in (about if isinstance(about, list) else [about])
    assert decode_event(name, event.event_version, data) == event


def test_there_is_an_example_of_every_event_type() -> None:
    assert [type(event).__name__ for event in one_of_each()] != []
    assert {type(event).__name__ for event in one_of_each()} == set(EVENT_TYPES)


@pytest.mark.parametrize("event_type", ["TransactionInitiatedEvent", "TransactionCompletedEvent"])
def test_a_transaction_event_of_version_1_is_read_without_an_original(event_type: str) -> None:
    told = {
        "transaction_id": str(uuid7()), "kind": "TRANSFER", "amount_minor": 12, "currency": "BRL",
        "debit_account_id": str(uuid7()), "credit_account_id": str(uuid7()), "initiated_by": str(uuid7()),
    }  # fmt: skip
    _validate(json.dumps(told), _schema(event_type, 1))
    event = decode_event(event_type, 1, json.dumps(told))
    again = msgspec.to_builtins(event)
    assert again == {**told, "related_transaction_id": None, "hold_id": None, "description_digest": None}
    _validate(json.dumps(again), _schema(event_type, 2))
    with pytest.raises(msgspec.ValidationError):
        decode_event(event_type, 2, json.dumps(told))


@pytest.mark.parametrize(("event_type", "version"), [("UserRegisteredEvent", 99), ("MoonPhaseChangedEvent", 1)])
def test_an_event_of_a_newer_bank_is_a_distinct_error(event_type: str, version: int) -> None:
    with pytest.raises(UnknownEvent, match=f"{event_type} version {version} is not known here"):
        decode_event(event_type, version, "{}")


def test_a_refusal_event_has_the_entity_or_the_caller_or_no_aggregate() -> None:
    entity, user = uuid7(), uuid7()

    def about(entity_id: Any, initiated_by: Any) -> tuple[str, int]:
        event = ActionRefusedEvent(
            action="transfer", code="C", entity_type="Account", entity_id=entity_id, initiated_by=initiated_by
        )
        return event.aggregate_type, event.aggregate_id.int

    assert about(entity, user) == ("Account", entity.int)
    assert about(None, user) == ("User", user.int)
    assert about(None, None) == ("Account", 0)


async def test_every_stored_event_is_valid(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await running_bank.staff()).deposit(first["number"], "10.00", "d")
    await person.transfer(first["id"], second["number"], "1.00", "t")
    async with running_bank.bank.uow_factory.begin() as uow:
        for event in one_of_each():
            uow.emit(event)
    async with running_bank.bank.database.connection() as connection:
        stored = await connection.fetch(
            "select event_type, event_version, event_data from event_store order by position"
        )
        known = (await read(connection, after=0, max_events=1_000)).events
    assert {row["event_type"] for row in stored} == set(EVENT_TYPES)
    for row in stored:
        assert row["event_version"] == EVENT_TYPES[row["event_type"]].event_version
        _validate(row["event_data"], _schema(row["event_type"], row["event_version"]))
    assert [recorded.event_type for recorded in known] == [row["event_type"] for row in stored]
    await running_bank.caught_up()


async def test_a_stored_event_of_an_old_version_is_read_in_the_newest_version(running_bank: RunningBank) -> None:
    old = json.dumps({
        "transaction_id": str(uuid7()), "kind": "DEPOSIT", "amount_minor": 12, "currency": "BRL",
        "debit_account_id": str(uuid7()), "credit_account_id": str(uuid7()), "initiated_by": str(uuid7()),
    })  # fmt: skip
    async with running_bank.bank.database.transaction("begin") as connection:
        position = await connection.fetchval("update event_log_head set position = position + 1 returning position")
        await connection.execute(
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data,"
            " event_version, metadata) values ($1, $2, 'TransactionCompletedEvent', $1, 'Transaction', $3, 1, '{}')",
            uuid7(), position, old,
        )  # fmt: skip
    await running_bank.caught_up()
    async with running_bank.bank.database.connection() as connection:
        [recorded] = (await read(connection, after=position - 1, max_events=1)).events
        audited = await connection.fetchval("select new_values from audit_logs where event_position = $1", position)
    assert recorded.event == decode_event("TransactionCompletedEvent", 1, old)
    assert json.loads(audited)["related_transaction_id"] is None
