"""A released event schema only grows wider: stored events stay valid, and a build that narrows a schema fails."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank.events.compatibility import breaking_changes

EVENTS = Path(__file__).parents[2] / "contracts" / "events"
RELEASED = EVENTS / "released"
NAMES = sorted({file.name for folder in (EVENTS, RELEASED) for file in folder.glob("*.json")})

Schema = dict[str, Any]


def _read(file: Path) -> Schema | None:
    return json.loads(file.read_text()) if file.exists() else None


@pytest.mark.parametrize("file", NAMES)
def test_every_released_schema_has_only_grown_wider(file: str) -> None:
    name, version = file.removesuffix(".json").split(".v")
    current, released = _read(EVENTS / file), _read(RELEASED / file)
    if released is not None:
        assert not (found := breaking_changes(name, int(version), released, current)), "\n".join(found)
    assert released == current, f"Record what is released: cp contracts/events/{file} contracts/events/released/"


RELEASED_SCHEMA: Schema = {
    "x-aggregate-type": "Account",
    "type": "object",
    "properties": {
        "account_id": {"type": "string", "format": "uuid", "description": "The account."},
        "amount_minor": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["DEPOSIT", "TRANSFER"]},
        "note": {"type": ["string", "null"], "maxLength": 80},
        "number": {"type": "string", "pattern": "^[0-9]{4}$"},
    },
    "required": ["account_id", "amount_minor", "kind", "number"],
    "additionalProperties": False,
}


def _changed(change: Callable[[Schema], object]) -> list[str]:
    current = copy.deepcopy(RELEASED_SCHEMA)
    change(current)
    return breaking_changes("ThingDoneEvent", 3, RELEASED_SCHEMA, current)


def _property(name: str, **keywords: Any) -> Callable[[Schema], object]:
    return lambda schema: schema["properties"].update({name: keywords})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["properties"].pop("note"), "the field `note` is gone"),
        (_property("amount_minor", type="string"), "the field `amount_minor` was integer and is string"),
        (_property("amount_minor", type="integer", minimum=100),
         "the field `amount_minor` had the minimum 1 and has the minimum 100"),
        (_property("amount_minor", type="integer", minimum=1, maximum=5),
         "the field `amount_minor` had no maximum and has the maximum 5"),
        (_property("kind", enum=["DEPOSIT"]), "the field `kind` can no longer be TRANSFER"),
        (_property("account_id", enum=["1"]), "the field `account_id` can no longer be anything else"),
        (_property("note", type="string", maxLength=80), "the field `note` was null or string and is string"),
        (_property("note", type=["string", "null"], maxLength=40),
         "the field `note` had the maxLength 80 and has the maxLength 40"),
        (_property("number", type="string", pattern="^[0-9]{5}$"),
         "the field `number` had the pattern ^[0-9]{4}$ and has the pattern ^[0-9]{5}$"),
        (_property("number", type="string", pattern="^[0-9]{4}$", format="uuid"),
         "the field `number` had no format and has the format uuid"),
        (_property("number", type="string", pattern="^[0-9]{4}$", **{"not": {"const": "0000"}}),
         "the field `number` has another `not`"),
        (lambda s: s["required"].append("note"), "the field `note` was optional and is required"),
        (lambda s: (s["properties"].update(fee={"type": "integer"}), s["required"].append("fee")),
         "the field `fee` is new and required, which stored events do not have"),
        (lambda s: s.update({"x-aggregate-type": "Hold"}), "it was about Account and is about Hold"),
        (lambda s: s.update({"minProperties": 5}), "has another `minProperties`"),
    ],
)  # fmt: skip
def test_a_narrower_schema_is_refused_with_advice(change: Callable[[Schema], object], words: str) -> None:
    [sentence] = _changed(change)
    assert sentence == (
        f"ThingDoneEvent version 3: {words}. Leave version 3 as it was released, say it in"
        " contracts/events/ThingDoneEvent.v4.json, and add an upcaster from version 3 in bank/events/upcasters.py."
    )


def test_a_missing_released_schema_is_refused() -> None:
    [sentence] = breaking_changes("ThingDoneEvent", 3, RELEASED_SCHEMA, None)
    assert sentence.startswith("ThingDoneEvent version 3 was released and is gone; put contracts/events/ThingDone")


@pytest.mark.parametrize(
    "change",
    [
        _property("memo", type="string", pattern="^x$"),
        _property("amount_minor", type="integer", minimum=0),
        _property("amount_minor", type="integer"),
        _property("amount_minor", type=["integer", "null"], minimum=1),
        _property("amount_minor", type="number", minimum=1),
        _property("kind", enum=["DEPOSIT", "TRANSFER", "FEE"]),
        _property("kind", type="string"),
        _property("number", type="string"),
        _property("account_id", type="string", format="uuid", description="The account it happened to."),
        lambda s: s["required"].remove("number"),
        lambda s: s.update({"description": "Said better.", "x-aggregate-type": ["Account", "Hold"]}),
        lambda s: s.update(additionalProperties=True),
    ],
)
def test_a_wider_schema_is_accepted(change: Callable[[Schema], object]) -> None:
    assert _changed(change) == []


_TYPED = st.sampled_from(["string", "integer", "number", "boolean", "null"])
_PROPERTY = st.one_of(
    st.builds(lambda types: {"type": sorted(types)}, st.sets(_TYPED, min_size=1, max_size=3)),
    st.builds(lambda values: {"enum": sorted(values)}, st.sets(st.sampled_from("abc"), min_size=1)),
    st.builds(lambda low: {"type": "integer", "minimum": low}, st.integers(-2, 2)),
    st.builds(lambda high: {"type": "string", "maxLength": high}, st.integers(0, 2)),
    st.builds(lambda pattern: {"type": "string", "pattern": pattern}, st.sampled_from(["^a", "b$"])),
)
_SCHEMA = st.builds(
    lambda properties, required: {
        "type": "object",
        "properties": properties,
        "required": sorted(required & properties.keys()),
        "additionalProperties": False,
    },
    st.dictionaries(st.sampled_from("xyz"), _PROPERTY, max_size=3),
    st.sets(st.sampled_from("xyz")),
)
_VALUE = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just(0.5), st.sampled_from(["", "a", "b", "ab"]))


# Drawing examples is slow on a busy machine, and this test is not about speed.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_SCHEMA, _SCHEMA, st.lists(st.dictionaries(st.sampled_from("xyz"), _VALUE, max_size=3), max_size=20))
def test_a_valid_event_stays_valid_after_every_accepted_change(
    released: Schema, current: Schema, events: list[dict[str, Any]]
) -> None:
    before, now = jsonschema.Draft202012Validator(released), jsonschema.Draft202012Validator(current)
    if breaking_changes("E", 1, released, current) == []:
        assert [event for event in events if before.is_valid(event) and not now.is_valid(event)] == []
