"""The JSON Schemas of events are generated from their classes, and define the valid events."""

import importlib
import inspect
import json
import pkgutil
from datetime import date, datetime
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
from bank.events.types.field import described
from bank.events.types.registry import EVENT_TYPES, decode_event
from tests.integration.events import one_of_each

TOLD = {type(event).__name__: msgspec.json.decode(msgspec.json.encode(event)) for event in one_of_each()}
_VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**20), st.floats(0.1, 0.9), st.text(max_size=3),
    st.sampled_from(["BRL", "brl", "DEPOSIT", "0001/00000001-9", "2031-02-03T04:05:06Z", "2031-02-03T04:05:06", "x"]),
    st.uuids().map(str), st.lists(st.integers(), max_size=1), st.just({}),
)  # fmt: skip


FORMATS = jsonschema.FormatChecker(formats=["uuid"])


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]  # jsonschema has no types
def _is_a_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("date", raises=ValueError)  # type: ignore[untyped-decorator]  # jsonschema has no types
def _is_a_date(value: object) -> bool:
    return not isinstance(value, str) or (len(value) == 10 and bool(date.fromisoformat(value)))


def validator_of(event_type: str) -> jsonschema.Draft202012Validator:
    """Return a validator for the newest version of an event type."""
    file = contracts.EVENTS / f"{event_type}.v{EVENT_TYPES[event_type].event_version}.json"
    return jsonschema.Draft202012Validator(json.loads(file.read_text("utf-8")), format_checker=FORMATS)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_example_of_each_event_is_valid(event_type: str) -> None:
    validator_of(event_type).validate(TOLD[event_type])


# Drawing examples is slow on a busy machine, and this test is not about speed.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(TOLD)), st.data())
def test_every_value_that_a_schema_accepts_can_be_decoded(event_type: str, data: st.DataObject) -> None:
    event = dict(TOLD[event_type])
    for field in data.draw(st.lists(st.sampled_from([*event, "more"]), max_size=2)):
        if data.draw(st.booleans()):
            event.pop(field, None)
        else:
            event[field] = data.draw(_VALUE)
    if validator_of(event_type).is_valid(event):
        decode_event(event_type, EVENT_TYPES[event_type].event_version, json.dumps(event))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schema_of_an_event_is_generated_from_its_class(event_type: str) -> None:
    event = EVENT_TYPES[event_type]
    file = Path(str(contracts.EVENTS)) / f"{event_type}.v{event.event_version}.json"
    assert file.read_text(encoding="utf-8") == schema_text(event), (
        "the class has changed: run `bank events schemas` and read the difference"
    )


def test_every_class_of_an_event_is_in_the_registry() -> None:
    modules = [importlib.import_module(f"bank.events.types.{one.name}") for one in pkgutil.iter_modules(types.__path__)]
    classes = {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, DomainEvent) and kind.__module__ == module.__name__
    }
    # The others are base classes.
    told = {
        name: kind
        for name, kind in classes.items()
        if name not in {"AccountEvent", "ApprovalEvent", "HoldEvent", "SessionEvent"}
    }
    assert told == EVENT_TYPES


class ThingDoneEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Something was done to a thing. It was."""

    aggregate_type = "Thing"

    thing_id: Annotated[UUID, described("The thing.")]
    amount_minor: Annotated[int, described("How much.", minimum=1)]
    kind: Annotated[str, described("What kind.", enum=("A", "B"))]
    digest: Annotated[str | None, described("Its digest.", pattern="^[0-9]$")] = None


def _changed(**fields: Any) -> dict[str, Any]:
    """Return the schema of the class with changed fields (None removes one), doc or class variables."""
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


def test_an_unchanged_class_has_the_same_schema() -> None:
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
def test_a_class_without_descriptions_has_no_schema(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UndescribedEvent, match=words):
        _changed(**fields)
