"""The files of event schemas in a folder: written from the event classes, and compared with them.

A folder has one file for each version of each event type, such as `contracts/events/`. The schemas of older versions
stay as they were released. A subfolder `released` has the copies of released schemas.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bank.events.compatibility import breaking_changes
from bank.events.event import DomainEvent
from bank.events.json_schema import schema_of, schema_text
from bank.events.types.registry import EVENT_TYPES

RELEASED = "released"

_NAME = re.compile(r"(\w+)\.v([1-9][0-9]*)\.json")


def write_schemas(folder: Path) -> list[str]:
    """Write the schema of the newest version of each event type; return the names of the files that have changed."""
    changed = []
    for event in EVENT_TYPES.values():
        file = folder / _file_name(event)
        text = schema_text(event).encode()
        if not file.exists() or file.read_bytes() != text:
            file.write_bytes(text)
            changed.append(file.name)
    return changed


def compare_schemas(folder: Path) -> list[str]:
    """Return one sentence for each difference between the files in a folder and the event classes.

    If there are copies of released schemas, their differences from the files are included.
    """
    return [*_differences_from_classes(folder), *_unknown_files(folder), *_differences_from_released(folder)]


def _differences_from_classes(folder: Path) -> Iterator[str]:
    for event in EVENT_TYPES.values():
        file = folder / _file_name(event)
        if not file.exists():
            yield f"{file.name} is missing."
        elif file.read_bytes() != schema_text(event).encode():
            if (stored := _read(file)) is None:
                yield f"{file.name} is not a JSON object."
            else:
                found = list(_differences(stored, schema_of(event))) or ["only its formatting differs"]
                yield from (f"{file.name}: {difference}." for difference in found)


def _differences(stored: dict[str, Any], made: dict[str, Any]) -> Iterator[str]:
    """Yield the differences of a stored schema from the schema of its class, by keyword and by field."""
    for keyword in sorted(stored.keys() | made.keys()):
        before, now = stored.get(keyword), made.get(keyword)
        if keyword == "properties" and isinstance(before, dict) and isinstance(now, dict):
            for field in sorted(before.keys() | now.keys()):
                if field not in before:
                    yield f"the field `{field}` of the class is missing"
                elif field not in now:
                    yield f"the class has no field `{field}`"
                elif before[field] != now[field]:
                    yield f"the field `{field}` differs from the class"
        elif before != now:
            yield f"`{keyword}` differs from the class"


def _unknown_files(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.json")):
        match = _NAME.fullmatch(file.name)
        if match is None or match[1] not in EVENT_TYPES:
            yield f"{file.name} is not the schema of an event type."
        elif int(match[2]) > EVENT_TYPES[match[1]].event_version:
            yield f"{file.name} is of a newer version than the class."


def _differences_from_released(folder: Path) -> Iterator[str]:
    released = folder / RELEASED
    if not released.is_dir():
        return
    for name in sorted({file.name for place in (folder, released) for file in place.glob("*.json")}):
        if (match := _NAME.fullmatch(name)) is None:
            continue
        copy, current = _read(released / name), _read(folder / name)
        found = breaking_changes(match[1], int(match[2]), copy, current) if copy is not None else []
        yield from found
        if not found and copy != current:
            yield f"{RELEASED}/{name} is not a copy of {name}; copy it when the schema is released."


def _file_name(event: type[DomainEvent]) -> str:
    return f"{event.__name__}.v{event.event_version}.json"


def _read(file: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is no file, or no JSON object in it."""
    try:
        content = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None
