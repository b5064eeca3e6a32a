"""Comparison of a released event schema with the current one: no change may make a stored event invalid.

A schema is released with its copy in `contracts/events/released/`. From then on it may only become wider: with a new
optional field, a further type or value, or a wider bound. Every other change needs a new version with an upcaster.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

Schema = Mapping[str, Any]

# Texts for people, which do not decide if an event is valid.
_WORDS = {"$schema", "title", "description"}
_LOWER = ("minimum", "minLength")
_UPPER = ("maximum", "maxLength")
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def breaking_changes(name: str, version: int, released: Schema, current: Schema | None) -> list[str]:
    """Return a message for each change that makes valid events invalid, with the remedy."""
    if current is None:
        path = f"contracts/events/{name}.v{version}.json"
        return [f"{name} version {version} was released and is gone; put {path} back: the log has such events."]
    advice = (
        f"Leave version {version} as it was released, say it in contracts/events/{name}.v{version + 1}.json, and add an"
        f" upcaster from version {version} in bank/events/upcasters.py."
    )
    return [f"{name} version {version}: {change}. {advice}" for change in _narrower(released, current)]


def _narrower(released: Schema, current: Schema) -> Iterator[str]:
    before, now = released["properties"], current.get("properties", {})
    required_before, required = set(released.get("required", ())), set(current.get("required", ()))
    for field in before:
        if field not in now:
            yield f"the field `{field}` is gone"
        else:
            yield from (f"the field `{field}` {change}" for change in _narrower_value(before[field], now[field]))
            if field in required - required_before:
                yield f"the field `{field}` was optional and is required"
    for field in now.keys() - before.keys():
        if field in required:
            yield f"the field `{field}` is new and required, which stored events do not have"
    if current.get("additionalProperties", True) is not True and released.get("additionalProperties", True) is True:
        yield "fields beyond those named were allowed and are not"
    about_before, about = (_set(schema.get("x-aggregate-type")) for schema in (released, current))
    if not about_before <= about:
        yield f"it was about {_list(about_before)} and is about {_list(about)}"
    compared = {"properties", "required", "additionalProperties", "x-aggregate-type", *_WORDS}
    yield from _other(released, current, compared)


def _narrower_value(before: Schema, now: Schema) -> Iterator[str]:
    if not _types(before) <= _types(now):
        yield f"was {_list(_types(before))} and is {_list(_types(now))}"
    if "enum" in now:
        gone = {str(value) for value in before.get("enum", ["anything else"]) if value not in now["enum"]}
        if gone:
            yield f"can no longer be {_list(gone)}"
    for keyword in ("pattern", "format"):
        if keyword in now and now[keyword] != before.get(keyword):
            yield f"had {_bound(before, keyword)} and has the {keyword} {now[keyword]}"
    for keyword in _LOWER:
        if keyword in now and now[keyword] > before.get(keyword, -inf):
            yield f"had {_bound(before, keyword)} and has the {keyword} {now[keyword]}"
    for keyword in _UPPER:
        if keyword in now and now[keyword] < before.get(keyword, inf):
            yield f"had {_bound(before, keyword)} and has the {keyword} {now[keyword]}"
    yield from _other(before, now, {"type", "enum", "pattern", "format", *_LOWER, *_UPPER, *_WORDS})


def _types(schema: Schema) -> set[str]:
    """Return the types of the values that a property may have; a number may be an integer."""
    if "type" in schema:
        types = _set(schema["type"])
    elif "enum" in schema:
        types = {_NAMES[type(value)] for value in schema["enum"]}
    else:
        types = set(_NAMES.values())
    return types | {"integer"} if "number" in types else types


def _other(before: Schema, now: Schema, compared: set[str]) -> Iterator[str]:
    """Yield a message for each changed keyword that this module cannot compare."""
    for keyword in sorted((before.keys() | now.keys()) - compared):
        if before.get(keyword) != now.get(keyword):
            yield f"has another `{keyword}`"


def _set(named: str | list[str] | None) -> set[str]:
    return set() if named is None else {named} if isinstance(named, str) else set(named)


def _list(words: set[str]) -> str:
    return " or ".join(sorted(words))


def _bound(before: Schema, keyword: str) -> str:
    return f"the {keyword} {before[keyword]}" if keyword in before else f"no {keyword}"
