"""The JSON Schemas of events, made from their classes.

`contracts/events/` has the schemas of the newest version of each type. `bank events schemas` writes these files; with
`--check` it compares them. Schemas of older versions stay as they were released.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import msgspec

from bank.events.event import DomainEvent

_TYPES: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    tuple[int, ...]: {"type": "array", "items": {"type": "integer"}},
    tuple[UUID, ...]: {"type": "array", "items": {"type": "string", "format": "uuid"}},
}


class UndescribedEvent(Exception):
    """The schema of an event's class cannot be made; the message names the class or field and the reason."""


def schema_of(event: type[DomainEvent]) -> dict[str, Any]:
    """Return the schema of a type's newest version. Raises `UndescribedEvent`."""
    fields = msgspec.structs.fields(event)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{event.__name__}, version {event.event_version}",
        "description": _first_sentence(event),
        "x-aggregate-type": _aggregate_types(event),
        "type": "object",
        "properties": {field.name: _property(f"{event.__name__}.{field.name}", field.type) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def schema_text(event: type[DomainEvent]) -> str:
    """Return the text of the schema file of a type's newest version."""
    return json.dumps(schema_of(event), indent=2, ensure_ascii=False) + "\n"


def _first_sentence(event: type[DomainEvent]) -> str:
    if not (text := vars(event).get("__doc__")):  # the class's own docstring, not an inherited one
        raise UndescribedEvent(f"{event.__name__} has no docstring; its first sentence says what is now true.")
    first, end, _ = " ".join(text.split()).partition(". ")
    return f"{first}." if end else first


def _aggregate_types(event: type[DomainEvent]) -> str | Sequence[str]:
    if event.aggregate_types is not None:
        return list(event.aggregate_types)
    of_class: object = event.aggregate_type
    if isinstance(of_class, str):
        return of_class
    raise UndescribedEvent(f"{event.__name__} does not say in `aggregate_types` what it may be about.")


def _property(name: str, annotated: Any) -> dict[str, Any]:
    if get_origin(annotated) is not Annotated:
        raise UndescribedEvent(f"{name} is not described; annotate it with `described`.")
    plain, *notes = get_args(annotated)
    [meta] = [note for note in notes if isinstance(note, msgspec.Meta)]
    keywords = dict(meta.extra_json_schema or {})
    # With an enumeration of its values, a property needs no type.
    form = {"enum": list(keywords.pop("enum"))} if "enum" in keywords else _form(name, plain)
    form |= {keyword: keywords.pop(keyword) for keyword in ("pattern",) if keyword in keywords}
    return {**form, "description": meta.description, **keywords}


def _form(name: str, plain: Any) -> dict[str, Any]:
    """Return the keywords for a type, which may be a union with None."""
    arguments = get_args(plain) if get_origin(plain) in {Union, UnionType} else (plain,)
    kinds = [kind for kind in arguments if kind is not NoneType]
    if len(kinds) != 1 or kinds[0] not in _TYPES:
        raise UndescribedEvent(f"{name}: there is no schema for {plain!r}.")
    form: dict[str, Any] = dict(_TYPES[kinds[0]])
    if NoneType in arguments:
        form["type"] = [form["type"], "null"]
    return form
