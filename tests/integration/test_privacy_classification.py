"""Every column is classified, and a column that is classified as encrypted has no readable value."""

import json
from collections.abc import Iterator
from typing import Any

from bank.encryption.texts import is_encrypted
from bank.privacy.classify import COLUMNS, EVENT_FIELDS, METADATA, DataClass, unclassified

# The texts of stored outcomes that are encrypted, at any depth.
OUTCOME_TEXTS = {"description"}


async def _columns(connection: Any) -> dict[str, set[str]]:
    rows = await connection.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = current_schema()"
    )
    columns: dict[str, set[str]] = {}
    for row in rows:
        columns.setdefault(row["table_name"], set()).add(row["column_name"])
    return columns


async def test_every_column_is_classified(superuser: Any) -> None:
    assert unclassified(await _columns(superuser), COLUMNS) == []


async def test_a_new_column_is_named(superuser: Any) -> None:
    await superuser.execute("alter table users add column birthday date")
    assert unclassified(await _columns(superuser), COLUMNS) == [
        "users.birthday is not classified in bank/privacy/classify.py."
    ]


async def test_every_encrypted_column_of_a_populated_database_is_encrypted(superuser: Any) -> None:
    seen = 0
    for table, columns in COLUMNS.items():
        for column in (name for name, data_class in columns.items() if data_class is DataClass.ENCRYPTED):
            rows = await superuser.fetch(f"select {column} as value from {table} where {column} <> ''")
            values = [row["value"].decode() if isinstance(row["value"], bytes) else row["value"] for row in rows]
            assert [value for value in values if not is_encrypted(value)] == [], f"{table}.{column}"
            seen += len(rows)
    assert seen > 50


def _texts(value: Any, names: set[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, names)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in names and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner, names)


def _encrypted(fields: Any) -> set[str]:
    return {name for name, data_class in fields.items() if data_class is DataClass.ENCRYPTED}


async def test_every_encrypted_member_of_a_document_is_encrypted(superuser: Any) -> None:
    events = await superuser.fetch("select event_type, event_data, metadata from event_store")
    audited = await superuser.fetch(
        "select event_type, old_values, new_values from audit_logs join event_store on position = event_position"
    )
    found: list[str] = []
    for row in events:
        found += _texts(json.loads(row["event_data"]), _encrypted(EVENT_FIELDS[row["event_type"]]))
        found += _texts(json.loads(row["metadata"]), _encrypted(METADATA))
    for row in audited:
        for values in (row["old_values"], row["new_values"]):
            found += _texts(json.loads(values or "{}"), _encrypted(EVENT_FIELDS[row["event_type"]]))
    for row in await superuser.fetch("select outcome from idempotency_keys"):
        found += _texts(json.loads(row["outcome"]), OUTCOME_TEXTS)
    assert len(found) > 50
    assert [text for text in found if text and not is_encrypted(text)] == []
