"""The quick check of stored events says what a general validator of JSON Schema says."""

import importlib
import inspect
import json
import pkgutil
import typing
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contracts
from bank.events import types
from bank.events.event import DomainEvent
from bank.events.json_schema import UndescribedEvent, schema_of, schema_text
from bank.events.schemas import EventSchemas, UnusableSchema, load_schema, type_of
from bank.events.types.field import described
from bank.events.types.registry import EVENT_TYPES
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


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]  # jsonschema has no types
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
def test_the_schema_of_an_event_is_made_of_its_class(event_type: str, request: pytest.FixtureRequest) -> None:
    event = EVENT_TYPES[event_type]
    file = Path(str(contracts.EVENTS)) / f"{event_type}.v{event.event_version}.json"
    if request.config.getoption("update_schema"):
        file.write_text(schema_text(event), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == schema_text(event), (
        "the class has changed: run this test with --update-schema and read the difference"
    )


def test_every_class_of_an_event_is_in_the_registry() -> None:
    modules = [importlib.import_module(f"bank.events.types.{one.name}") for one in pkgutil.iter_modules(types.__path__)]
    classes = {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, DomainEvent) and kind.__module__ == module.__name__
    }
    # The others are what several have in common.
    told = {name: kind for name, kind in classes.items() if name not in {"AccountEvent", "HoldEvent", "SessionEvent"}}
    assert told == EVENT_TYPES


class ThingDoneEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Something was done to a thing. It was."""

    aggregate_type = "Thing"

    thing_id: Annotated[UUID, described("The thing.")]
    amount_minor: Annotated[int, described("How much.", minimum=1)]
    kind: Annotated[str, described("What kind.", enum=("A", "B"))]
    digest: Annotated[str | None, described("Its digest.", pattern="^[0-9]$")] = None


def _changed(**fields: Any) -> dict[str, Any]:
    """Return the schema of the class with other fields (None: without it), doc or class variables."""
    annotations: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(ThingDoneEvent)}
    body: dict[str, Any] = {"__doc__": ThingDoneEvent.__doc__, "aggregate_type": "Thing", "digest": None}
    for name, value in fields.items():
        if name in {"digest_default", "__doc__", "aggregate_type", "aggregate_types", "event_version"}:
            body["digest" if name == "digest_default" else name] = value
        elif value is None:
            annotations.pop(name)
            body.pop(name, None)
        else:
            annotations[name] = value
    if body.get("digest", "") is ...:
        del body["digest"]
    body.update(__annotations__=annotations, __module__=__name__)
    metaclass: Any = type(DomainEvent)
    kind = metaclass("ThingDoneEvent", (DomainEvent,), body, frozen=True, kw_only=True, gc=False)
    return schema_of(kind)


def test_what_does_not_change_gives_the_same_schema() -> None:
    assert _changed() == schema_of(ThingDoneEvent)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"more": Annotated[str, described("More.")]}, "properties"),
        ({"thing_id": None}, "properties"),
        ({"thing_id": Annotated[str, described("The thing.")]}, "properties"),
        ({"thing_id": Annotated[UUID | None, described("The thing.")]}, "properties"),
        ({"thing_id": Annotated[UUID, described("Another thing.")]}, "properties"),
        ({"amount_minor": Annotated[int, described("How much.", minimum=0)]}, "properties"),
        ({"amount_minor": Annotated[int, described("How much.")]}, "properties"),
        ({"kind": Annotated[str, described("What kind.", enum=("A",))]}, "properties"),
        ({"digest": Annotated[str | None, described("Its digest.", pattern="^[a-z]$")]}, "properties"),
        ({"digest_default": ...}, "required"),
        ({"__doc__": "Something else was done."}, "description"),
        ({"aggregate_type": "Person"}, "x-aggregate-type"),
        ({"aggregate_types": ("Thing", "Person")}, "x-aggregate-type"),
        ({"event_version": 2}, "title"),
    ],
)
def test_every_change_of_a_class_changes_its_schema(fields: dict[str, Any], place: str) -> None:
    before, after = schema_of(ThingDoneEvent), _changed(**fields)
    assert before[place] != after[place]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"thing_id": UUID}, "ThingDoneEvent.thing_id is not described"),
        ({"thing_id": Annotated[list[int], described("The thing.")]}, "there is no schema for list"),
        ({"thing_id": Annotated[UUID | int, described("The thing.")]}, "there is no schema for"),
        ({"__doc__": None}, "has no docstring"),
        ({"aggregate_type": property(lambda _: "Thing")}, "does not say in `aggregate_types`"),
    ],
)
def test_a_class_that_says_too_little_has_no_schema(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UndescribedEvent, match=words):
        _changed(**fields)


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
