"""Every event that is stored is as its JSON Schema in the contract says."""

import json

import jsonschema
import pytest

import contracts
from bank.events.model import EVENT_TYPES
from tests.integration.api import RunningBank


def _schema(event_type: str, version: int) -> dict[str, object]:
    text = (contracts.EVENTS / f"{event_type}.v{version}.json").read_text()
    schema: dict[str, object] = json.loads(text)
    return schema


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_has_a_schema_that_is_one(event_type: str) -> None:
    event = EVENT_TYPES[event_type]
    schema = _schema(event_type, event.event_version)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["x-aggregate-type"] == event.aggregate_type
    assert list(schema["properties"]) == list(event.__struct_fields__)  # type: ignore[call-overload]  # it is an object


def test_every_schema_has_an_event_type() -> None:
    names = {file.name.split(".")[0] for file in contracts.EVENTS.iterdir() if file.name.endswith(".json")}
    assert names == set(EVENT_TYPES)


async def test_every_stored_event_is_valid(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await running_bank.staff()).deposit(first["number"], "10.00", "d")
    await person.transfer(first["id"], second["number"], "1.00", "t")
    async with running_bank.bank.database.connection() as connection:
        stored = await connection.fetch("select event_type, event_version, event_data from event_store")
    assert {row["event_type"] for row in stored} == set(EVENT_TYPES)
    for row in stored:
        schema = _schema(row["event_type"], row["event_version"])
        jsonschema.validate(json.loads(row["event_data"]), schema, format_checker=jsonschema.FormatChecker())
