"""Export of everything that the bank stores about a person (LGPD, Lei 13.709/2018, art. 18, II and V; art. 19, II).

The columns follow from `bank.privacy.classify`: secrets, keys and what is not personal are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.encryption.cipher import PersonalTextCipher
from bank.events.recorder import EventRecorder
from bank.events.types.privacy import PersonalDataExportedEvent
from bank.privacy.classify import COLUMNS, DataClass
from bank.refusal import Refusal

_EXPORTED = {DataClass.PSEUDONYMOUS, DataClass.ENCRYPTED, DataClass.ENCRYPTED_INSIDE, DataClass.DELETABLE}
_OWN_ACCOUNTS = "(select id from accounts where user_id = $1)"
_OWN_SESSIONS = "(select id from sessions where user_id = $1)"
_IN_OWN_ACCOUNTS = f"in {_OWN_ACCOUNTS}"
_OWN_TRANSACTIONS = f"(select transaction_id from entries where account_id {_IN_OWN_ACCOUNTS})"  # noqa: S608 - constants
_OWN_APPROVALS = f"(select id from approvals where account_id {_IN_OWN_ACCOUNTS} or $1 in (subject_id, requested_by))"  # noqa: S608 - constants
_OWN_HOLDS = f"(select id from holds where account_id {_IN_OWN_ACCOUNTS} or to_account_id {_IN_OWN_ACCOUNTS})"  # noqa: S608 - constants

ROWS_OF: Mapping[str, str] = {
    "users": "id = $1",
    "sessions": "user_id = $1",
    "second_factors": "user_id = $1",
    "refresh_tokens": f"session_id in {_OWN_SESSIONS}",
    "login_devices": "user_id = $1",
    "login_failures": "(kind = 'ACCOUNT' and digest = (select email_digest from users where id = $1))"
    " or (kind = 'DEVICE' and digest in (select digest from login_devices where user_id = $1))"
    " or (kind = 'SESSION' and digest in (select sha256(asked || uuid_send(id)) from sessions,"
    " unnest(array[''::bytea, 'code']) as asked where user_id = $1))",
    "security_observations": "user_id = $1",
    "accounts": "user_id = $1",
    "account_days": f"account_id in {_OWN_ACCOUNTS}",
    "entries": f"account_id in {_OWN_ACCOUNTS}",
    "transactions": f"id in {_OWN_TRANSACTIONS}",
    "holds": f"id in {_OWN_HOLDS}",
    "approvals": f"id in {_OWN_APPROVALS}",
    "idempotency_keys": "caller_id = $1",
    "audit_logs": f"user_id = $1 or entity_id = $1 or entity_id in {_OWN_ACCOUNTS}"
    f" or entity_id in {_OWN_TRANSACTIONS} or entity_id in {_OWN_HOLDS} or entity_id in {_OWN_APPROVALS}",
    "dead_letters": "exists (select from event_store where position = event_position and user_id = $1)",
    "encryption_keys": "person_id = $1",
}
"""The rows of each table that are about a person, as a condition; `$1` is the id of the user."""

NOT_EXPORTED: Mapping[str, str] = {
    "retained_identities": "Only the identity of an erased person is there, for `bank privacy disclose`.",
    "event_store": "Each event has one audit row with the same values, and the audit rows are exported.",
}
"""The tables with personal data that are left out, with the reason."""

# What other people did is theirs: the address of an operator, and the user id of somebody who paid.
_OF_OTHERS = {
    ("audit_logs", "ip_address"): "case when user_id = $1 then ip_address end",
    ("audit_logs", "user_agent"): "case when user_id = $1 then user_agent end",
    ("audit_logs", "user_id"): "case when user_id = $1 then user_id end",
    ("transactions", "initiated_by"): "case when initiated_by = $1 then initiated_by end",
    ("approvals", "requested_by"): "case when requested_by = $1 then requested_by end",
    ("approvals", "decided_by"): "case when decided_by = $1 then decided_by end",
    ("holds", "initiated_by"): "case when initiated_by = $1 then initiated_by end",
}

# The rows of a table are in the order of the first of these columns that it has.
_ORDER = ("position", "event_position", "created_at", "issued_at", "counted_at", "day", "id", "number", "user_id")

# A response of these rows has some 10 MB. A longer export is made by `bank privacy export`, which no request waits for.
API_ROWS_MAX = 20_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The rows about a person, by table, with texts in clear. A text whose key is destroyed is None."""

    person_id: UUID
    exported_at: datetime
    tables: Mapping[str, list[Row]]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(len(rows) for rows in self.tables.values())

    def as_json(self) -> str:
        """Return the data as a JSON object: the id of the person, the time, and a list of rows for each table."""
        content = {"person_id": self.person_id, "exported_at": self.exported_at, **self.tables}
        return msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2).decode()

    def as_text(self) -> str:
        """Return the data as text for people: a heading for each table, and a line for each value."""
        lines = [f"Everything that the bank stores about user {self.person_id}, as of {self.exported_at.isoformat()}"]
        for table, rows in self.tables.items():
            title = f"{table.replace('_', ' ').capitalize()} ({len(rows)})"
            lines += ["", title, "-" * len(title)]
            for row in rows:
                lines += [f"{name.replace('_', ' ')}: {_readable(value)}" for name, value in row.items()]
                lines.append("")
        return "\n".join(lines).rstrip() + "\n"


def exported_columns(table: str) -> list[str]:
    """Return the columns of a table that an export contains."""
    return [name for name, data_class in COLUMNS[table].items() if data_class in _EXPORTED]


async def collect(snapshot: ReadSnapshot, cipher: PersonalTextCipher, person_id: UUID, now: datetime) -> PersonalData:
    """Return everything about a person as of one instant. Raises the errors of `ReadSnapshot`."""
    tables = {}
    for table in ROWS_OF:
        rows = await snapshot.fetch(_statement(table), person_id)
        tables[table] = await _in_clear(snapshot, cipher, table, [dict(row) for row in rows])
    return PersonalData(person_id, now, tables)


async def export_data(
    database: Database,
    cipher: PersonalTextCipher,
    recorder: EventRecorder,
    *,
    person_id: UUID,
    now: datetime,
    by: UUID | None,
    rows_max: int | None = None,
) -> PersonalData | Refusal:
    """Return everything about a person, once the export is on record. More than `rows_max` rows are refused.

    Raises the errors of `ReadSnapshot` and of `EventRecorder.record`.
    """
    snapshot = ReadSnapshot(database)
    try:
        if rows_max is not None and await _count(snapshot, person_id, rows_max) > rows_max:
            message = f"Ask the bank for this export: it has more than {rows_max:,} rows."
            return Refusal(code="EXPORT_TOO_LARGE", message=message)
        data = await collect(snapshot, cipher, person_id, now)
    finally:
        await snapshot.close()
    await recorder.record(PersonalDataExportedEvent(subject_id=person_id, rows=data.rows, initiated_by=by))
    return data


async def _count(snapshot: ReadSnapshot, person_id: UUID, rows_max: int) -> int:
    """Return the number of rows about a person, or a number above `rows_max`."""
    count = 0
    for table, condition in ROWS_OF.items():
        limited = f"select from {table} where {condition} limit {rows_max + 1}"
        [row] = await snapshot.fetch(f"select count(*) from ({limited}) as limited", person_id)  # noqa: S608 - constants
        count += row["count"]
        if count > rows_max:
            break
    return count


def _statement(table: str) -> str:
    names = [f"{_OF_OTHERS.get((table, name), name)} as {name}" for name in exported_columns(table)]
    order = next(name for name in _ORDER if name in COLUMNS[table])
    return f"select {', '.join(names)} from {table} where {ROWS_OF[table]} order by {order}"  # noqa: S608 - constants


async def _in_clear(snapshot: ReadSnapshot, cipher: PersonalTextCipher, table: str, rows: list[Row]) -> list[Row]:
    for name in exported_columns(table):
        values = [row[name] for row in rows]
        if COLUMNS[table][name] is DataClass.ENCRYPTED:
            plain = await cipher.decrypt(values, snapshot.fetch)
            for row in rows:
                row[name] = plain[row[name]]
        elif COLUMNS[table][name] is DataClass.ENCRYPTED_INSIDE:
            documents = await cipher.decrypt_documents(values, snapshot.fetch)
            for row, document in zip(rows, documents, strict=True):
                row[name] = None if document is None else msgspec.json.decode(document)
    return rows


def _readable(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
