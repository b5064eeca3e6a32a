"""`bank check` names every change of a value by a superuser, in every column of every table, except in `NOT_FOUND`.

The columns are those of the migrated schema. The test fails for a new column until `bank check` compares it with the
log, or until it is in `NOT_FOUND` with a reason, which docs/checking.md also gives.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bank.invariants.schema import EXPECTED
from bank.invariants.verify import verify_snapshot

COLUMNS = sorted(
    (match[2], match[1])
    for name in json.loads(EXPECTED.read_text(encoding="utf-8"))
    if (match := re.fullmatch(r"column (\w+) of (\w+)", name))
)

NOT_FOUND = {
    ("alembic_version", "version_num"): "`bank check` refuses a database of another version before it looks",
    ("event_log_head", "one"): "its only other value is refused by its type and a constraint",
    ("subscriber_positions", "owner"): "which process delivers is nothing that lasts",
    ("subscriber_positions", "leased_until"): "the same",
    ("subscriber_positions", "taken_for"): "the same",
    ("dead_letters", "error"): "what an operator is told of a delivery that failed; nothing follows from it",
    ("dead_letters", "attempts"): "the same",
    ("dead_letters", "created_at"): "the same",
    ("dead_letters", "redelivered_at"): "the same",
    (
        "encryption_keys",
        "wrapped",
    ): "only the master key shows if a wrapped key was changed; then its texts cannot be read",
    ("encryption_keys", "created_at"): "nothing follows from the time of a key",
    ("dead_letters", "event_position"): "seen where the delivery leaves a trace: an audit row, a day of an account",
    ("dead_letters", "subscriber"): "the same",
    ("security_observations", "network_digest"): "the address is encrypted in the event; only the master key shows it",
    ("retained_identities", "record_digest"): "PostgreSQL computes it from the record, and refuses another value",
}
"""The columns in which a change cannot be found, with the reason."""

# One row of each of these kinds is tampered with in each table.
KINDS = {
    "accounts": "kind || status || (version > 0) || (daily_limit_minor is null)",
    "transactions": "kind || (description is null)",
    "entries": "(select kind from transactions t where t.id = transaction_id) || sign(amount_minor)",
    "approvals": "kind || status || (refusal_code is null)",
    "holds": "status",
    "users": "role || (version > 1) || (erased_at is null)",
    "sessions": "(closed_at is null)::text || (select count(*) from refresh_tokens t where t.session_id = sessions.id)",
    "refresh_tokens": "(used_at is null)::text",
    "idempotency_keys": "operation || (transaction_id is null)",
    "event_store": "event_type",
    "subscriber_positions": "subscriber",
    "security_observations": "kind",
}
SOME_NOT_FOUND: dict[tuple[str, str], tuple[str, set[str | None]]] = {
    ("users", "salt"): ("password_hash", {None}),  # nothing of an erased user is left that it protects
    ("accounts", "created_at"): ("kind", {"CASH", "FEES"}),  # migrations make these accounts without an event
    ("subscriber_positions", "position"): ("subscriber", {"balance_cache"}),  # its effects are in Redis
    ("subscriber_positions", "subscriber"): ("subscriber", {"balance_cachex"}),
    ("subscriber_positions", ""): ("subscriber", {"balance_cache"}),
    ("dead_letters", ""): ("subscriber", {"balance_cache"}),
    # The retention deletes these rows after a day.
    ("security_observations", ""): ("kind", {"REGISTRATION", "NEW_DEVICE", "CREDENTIAL_CHANGE"}),
}
"""The rows in which a change, or without a column a deletion, cannot be found: a column and its values."""

# The live workers and the epoch of the cache are temporary, and nothing depends on them.
# The same is true for the delays after failed logins, and for the tokens of known devices, which open nothing.
PASSING = {"cache_members", "cache_epoch", "login_failures", "login_devices"}
TABLES = sorted({table for table, _ in COLUMNS} - {"alembic_version"} - PASSING)


@pytest.fixture
async def valid_books(superuser: Any) -> AsyncIterator[Any]:
    """A connection whose changes are rolled back at the end, so that the tests can share a database."""
    await superuser.execute("begin isolation level repeatable read; set local session_replication_role = replica")
    yield superuser
    await superuser.execute("rollback")


async def rows_of(connection: Any, table: str) -> list[str]:
    """Return the place of one row of each kind."""
    kind = KINDS.get(table, "tableoid")
    rows = await connection.fetch(f"select min(ctid::text) as place from {table} group by {kind} order by 1")
    assert rows, f"the books have no row of {table}: let written_books.py make one"
    return [row["place"] for row in rows]


async def drop_checks(connection: Any, table: str) -> None:
    """Drop the constraints of the table, as an attacker would do. The missing constraints do not count as found."""
    constraints = await connection.fetch("select conname from pg_constraint where conrelid = $1::regclass"
        " and contype in ('c', 'f', 'u', 'p')", table)  # fmt: skip
    for row in constraints:
        await connection.execute(f"alter table {table} drop constraint if exists {row['conname']} cascade")


async def found(connection: Any) -> set[str]:
    verdict = await verify_snapshot([connection])
    return {finding.invariant for finding in verdict.findings} - {"schema_as_migrated"}


async def other_values(connection: Any, table: str, column: str) -> list[str]:
    """Return expressions for other values: a slightly different one, and null if the column permits it."""
    row = await connection.fetchrow(
        "select format_type(atttypid, atttypmod) as type, attnotnull from pg_attribute"
        " where attrelid = $1::regclass and attname = $2", table, column,
    )  # fmt: skip
    values = {
        "uuid": ["'00000000-0000-7000-8000-00000000dead'"],
        "text": [f"coalesce({column}, '') || 'x'"],
        "text[]": [f"{column} || array['x']"],
        "bigint": [f"coalesce({column}, 0) + 1"],
        "integer": [f"coalesce({column}, 0) + 1"],
        "boolean": [f"not {column}"],
        "date": [f"case when isfinite({column}) then {column} + 1 else '2026-01-01' end"],
        "timestamp with time zone": [f"coalesce({column}, now()) + interval '1 microsecond'"],
        "bytea": [f"coalesce({column}, '') || '\\x00'"],
        "jsonb": [f"coalesce({column}, '{{}}') || '{{\"more\": 1}}'"],
        "json": [f"({column}::jsonb || '{{\"more\": 1}}')::json"],
        "int8multirange": [f"{column} + '{{[90000,90001)}}'", "'{[1,2)}'"],
    }[row["type"]]
    return values if row["attnotnull"] else [*values, "null"]


def can_hide(row: Any, table: str, column: str = "") -> bool:
    """Return whether a change or a deletion of this row cannot be found."""
    told, values = SOME_NOT_FOUND.get((table, column), ("", set()))
    return bool(told) and row[told] in values


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(place) for place in COLUMNS])
async def test_a_changed_value_is_found(valid_books: Any, table: str, column: str) -> None:
    if table in PASSING:
        pytest.skip("nothing that lasts")
    if (table, column) in NOT_FOUND:
        pytest.skip(NOT_FOUND[table, column])
    places = await rows_of(valid_books, table)
    await drop_checks(valid_books, table)
    unseen = []
    for value in await other_values(valid_books, table, column):
        for place in places:
            await valid_books.execute("savepoint before")
            changed = await valid_books.fetchrow(
                f"update {table} set {column} = {value} where ctid = $1::text::tid"
                f" and {column}::text is distinct from ({value})::text returning *", place,
            )  # fmt: skip
            if changed and not can_hide(changed, table, column) and not await found(valid_books):
                unseen.append(f"{column} = {value} in {dict(changed)}")
            await valid_books.execute("rollback to before")
    assert not unseen


def test_every_exception_is_a_column() -> None:
    assert NOT_FOUND.keys() <= set(COLUMNS)


@pytest.mark.parametrize("table", TABLES)
async def test_a_deleted_row_of_each_table_is_found(valid_books: Any, table: str) -> None:
    for place in await rows_of(valid_books, table):
        await valid_books.execute("savepoint before")
        gone = await valid_books.fetchrow(f"delete from {table} where ctid = $1::text::tid returning *", place)
        assert can_hide(gone, table) or await found(valid_books), f"{dict(gone)} is not missed"
        await valid_books.execute("rollback to before")


# Copies of these rows are refused by the table, or change nothing.
NOT_COPIED = {"event_log_head", "subscriber_positions", "dead_letters", "encryption_keys"}


@pytest.mark.parametrize("table", sorted(set(TABLES) - NOT_COPIED))
async def test_an_inserted_row_of_each_table_is_found(valid_books: Any, table: str) -> None:
    """The row is a copy of an existing row under another key."""
    # A generated column takes no value.
    columns = [column for of, column in COLUMNS if of == table and column != "record_digest"]
    keys = await valid_books.fetch(
        "select attname, format_type(atttypid, atttypmod) as type from pg_index"
        " join pg_attribute on attrelid = indrelid and attnum = any(indkey) where indrelid = $1::regclass"
        " and indisunique", table,
    )  # fmt: skip
    fresh = {row["attname"]: (await other_values(valid_books, table, row["attname"]))[0] for row in keys}
    fresh |= {row["attname"]: f"{row['attname']} + 1_000_000" for row in keys if row["type"] == "bigint"}
    await drop_checks(valid_books, table)
    values = ", ".join(fresh.get(column, column) for column in columns)
    for place in await rows_of(valid_books, table):
        await valid_books.execute("savepoint before")
        await valid_books.execute(
            f"insert into {table} ({', '.join(columns)}) select {values} from {table} where ctid = $1::text::tid", place
        )
        assert await found(valid_books), f"a copy of {place} of {table} is not noticed"
        await valid_books.execute("rollback to before")
