"""The quick check of stored events says what a general validator of JSON Schema says."""

import json
import typing
from datetime import datetime
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank.events.model import EVENT_TYPES
from bank.events.schemas import EventSchemas, UnusableSchema, load_schema, type_of
from tests.integration.events import one_of_each

SCHEMAS = EventSchemas()
TOLD = {type(event).__name__: msgspec.to_builtins(event) for event in one_of_each()}
_VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**20), st.floats(0.1, 0.9), st.text(max_size=3),
    st.sampled_from(["BRL", "brl", "DEPOSIT", "0001/00000001-9", "2031-02-03T04:05:06Z", "2031-02-03T04:05:06", "x"]),
    st.uuids().map(str), st.lists(st.integers(), max_size=1), st.just({}),
)  # fmt: skip


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_right_event_raises_no_complaint(event_type: str) -> None:
    assert SCHEMAS.complaint(event_type, EVENT_TYPES[event_type].event_version, json.dumps(TOLD[event_type])) is None


FORMATS = jsonschema.FormatChecker(formats=["uuid"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


# On a busy machine drawing examples is slow, which says nothing about them.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(TOLD)), st.data())
def test_it_agrees_with_a_general_validator(event_type: str, data: st.DataObject) -> None:
    event = dict(TOLD[event_type])
    for field in data.draw(st.lists(st.sampled_from([*event, "more"]), max_size=2)):
        if data.draw(st.booleans()):
            event.pop(field, None)
        else:
            event[field] = data.draw(_VALUE)
    version = EVENT_TYPES[event_type].event_version
    validator = jsonschema.Draft202012Validator(load_schema(event_type, version), format_checker=FORMATS)
    complaint = SCHEMAS.complaint(event_type, version, json.dumps(event))
    assert (complaint is None) == validator.is_valid(event), complaint


def test_a_complaint_names_event_version_and_field() -> None:
    wrong = {**TOLD["BalanceUpdatedEvent"], "version": 0}
    assert SCHEMAS.complaint("BalanceUpdatedEvent", 1, json.dumps(wrong)) == (
        "BalanceUpdatedEvent version 1 is not as its schema says: Expected `int` >= 1 - at `$.version`."
    )
    assert SCHEMAS.complaint("BalanceUpdatedEvent", 7, "{}") == (
        "There is no BalanceUpdatedEvent version 7 in the contract."
    )


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_class_says_what_its_schema_says(event_type: str) -> None:
    """Names, types, and which fields may be missing."""
    event = EVENT_TYPES[event_type]
    schema = type_of(event_type, load_schema(event_type, event.event_version))
    described = {field.name: field for field in msgspec.structs.fields(schema)}
    written = {field.name: field for field in msgspec.structs.fields(event)}
    assert list(described) == list(written)
    for name, field in written.items():
        assert _plain(field.type) == _plain(described[name].type), f"{event_type}.{name}"
        assert field.required == described[name].required, f"{event_type}.{name} may be missing in one of the two"


def _plain(told: Any) -> frozenset[type]:
    """Return the types that a value may have, without bounds; an enum's are its values'."""
    origin, arguments = typing.get_origin(told), typing.get_args(told)
    if told is None:
        return frozenset({type(None)})
    if hasattr(told, "__metadata__"):
        return _plain(told.__origin__)
    if origin is typing.Literal:
        return frozenset(type(value) for value in arguments)
    if arguments:
        return frozenset().union(*(_plain(one) for one in arguments)) - {msgspec.UnsetType}
    return frozenset({told})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "properties": {}}, "an event is an object without additional properties"),
        ({"properties": {"a": {"type": "string", "not": {}}}}, "E.a: nobody checks not"),
        ({"properties": {"a": {"type": "array"}}}, "E.a: the type 'array' is not one of"),
        ({"properties": {"a": {"type": "string", "format": "email"}}}, "E.a: the format email is not one of"),
        ({"properties": {}, "minProperties": 1}, "E: nobody checks minProperties"),
    ],
)
def test_a_schema_that_says_more_than_is_checked_is_refused(schema: dict[str, Any], words: str) -> None:
    if "type" not in schema:
        schema = {"type": "object", "additionalProperties": False, **schema}
    with pytest.raises(UnusableSchema, match=words.replace(".", "[.]")):
        type_of("E", schema)


@pytest.mark.parametrize(
    ("value", "fits"),
    [("7", True), ("7.5", True), ('"ab"', True), ('"abc"', False), ("null", False), ("true", False)],
)
def test_types_bounds_and_optional_fields_hold(value: str, fits: bool) -> None:
    properties = {"a": {"type": ["number", "string"], "maxLength": 2}, "b": {"type": "boolean"}}
    schema = {"type": "object", "additionalProperties": False, "properties": properties, "required": ["a"]}
    decoder = msgspec.json.Decoder(type_of("E", schema))
    for rest in ("", ', "b": true'):
        if fits:
            decoder.decode(f'{{"a": {value}{rest}}}')
        else:
            with pytest.raises(msgspec.ValidationError):
                decoder.decode(f'{{"a": {value}{rest}}}')
