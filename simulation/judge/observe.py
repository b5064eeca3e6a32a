"""The reader of the evidence in the database: snapshots of the ledger during the run, and the whole state at its end.

All statements that read the books are in this file, so a changed column needs one edit.
"""

import asyncio
import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from simulation.judge.database_state import (
    AccountRow,
    AuditRow,
    DatabaseState,
    DayRow,
    EntryRow,
    EventRow,
    HoldRow,
    KeyRow,
    LedgerSnapshot,
    Row,
    TransactionRow,
    UserRow,
)
from simulation.judge.decryption import KEYS as KEYS_OF_TEXTS
from simulation.judge.decryption import Decryption
from simulation.judge.personal_texts import search_personal_texts
from simulation.model.plan import Plan
from simulation.stack.database import HEAD, POSITIONS, BankDatabase

SNAPSHOT_EVERY_S = 2.0
"""Often enough to read during batches, and seldom enough that the sum of all entries does not slow the bank."""

USERS = "select id::text, email, role from users order by id"
ACCOUNTS = """
    select id::text, user_id::text, kind, number, currency, balance_minor, version, status, held_minor
    from accounts order by id
"""
TRANSACTIONS = """
    select id::text, kind, amount_minor, currency, debit_account_id::text, credit_account_id::text,
        coalesce(related_id, hold_id)::text
    from transactions order by id
"""
HOLDS = """
    select id::text, account_id::text, to_account_id::text, amount_minor, captured_minor, status,
        extract(epoch from expires_at)::float8, extract(epoch from ended_at)::float8
    from holds order by id
"""
ENTRIES = """
    select account_id::text, version, transaction_id::text, amount_minor, balance_after_minor,
        (created_at at time zone 'America/Sao_Paulo')::date::text,
        (extract(epoch from created_at) * 1000000)::bigint
    from entries order by account_id, version
"""
# The ids in the stored outcome of a key; for a batch, the transaction of each item.
KEYS = """
    select caller_id::text, key, operation, transaction_id::text, array(
        select item #>> '{receipt,transaction_id}'
        from json_array_elements(coalesce(outcome -> 'items', '[]')) with ordinality as listed (item, place)
        order by place
    ), outcome #>> '{hold,id}' from idempotency_keys
"""
EVENTS = """
    select position, event_type, aggregate_id::text, aggregate_type, event_data::text,
        (extract(epoch from created_at) * 1000000)::bigint as at_us
    from event_store order by position
"""
AUDITS = """
    select a.id::text, event_position, entity_type, entity_id::text, action, number, encode(hash, 'hex'),
        json_build_array(event_position, a.id, a.user_id, entity_type, entity_id, action, old_values, new_values,
            ip_address, user_agent, a.created_at at time zone 'UTC',
            e.id, event_type, event_version, event_data, metadata)::text
    from audit_logs a left join event_store e on e.position = event_position order by event_position, a.id
"""
DAYS = """
    select account_id::text, day::text, debits, debited_minor, credits, credited_minor, closing_balance_minor
    from account_days order by account_id, day
"""
DEAD_LETTERS = """
    select subscriber || ' at position ' || event_position as place, error
    from dead_letters where redelivered_at is null order by event_position, subscriber
"""
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"

WHOLE = ("users", "accounts", "transactions", "holds", "sessions", "audit_logs", "event_store")
"""The tables of which the checks examine every column."""

SUMS = """
    select currency, coalesce(sum(balances), 0)::bigint as balances, coalesce(sum(entries), 0)::bigint as entries
    from (
        select currency, balance_minor as balances, 0 as entries from accounts
        union all
        select currency, 0, amount_minor from entries
    ) both_sides group by currency order by currency
"""
STRAYS = """
    select a.id::text, a.balance_minor, a.held_minor, coalesce(e.total, 0)::bigint as total, a.kind
    from accounts a left join (select account_id, sum(amount_minor) as total from entries group by account_id) e
    on e.account_id = a.id
    where a.balance_minor <> coalesce(e.total, 0) or (a.kind = 'CUSTOMER' and a.balance_minor < a.held_minor)
    order by a.id
"""
COUNT_ACCOUNTS = "select count(*) from accounts"


async def read_ledger(database: BankDatabase, at_s: float) -> LedgerSnapshot:
    """Return a snapshot of the whole ledger."""
    async with database.snapshot() as connection:
        sums = await connection.fetch(SUMS)
        wrong = await connection.fetch(STRAYS)
        accounts = await connection.fetchval(COUNT_ACCOUNTS)
    return LedgerSnapshot(
        at_s=at_s,
        accounts=accounts,
        balances_minor={row["currency"]: row["balances"] for row in sums},
        entries_minor={row["currency"]: row["entries"] for row in sums},
        strays=[
            f"account {row['id']} holds {row['balance_minor']} and its entries add up to {row['total']}"
            for row in wrong
            if row["balance_minor"] != row["total"]
        ],
        overdrawn=[
            f"account {row['id']} holds {row['balance_minor']}, of which {row['held_minor']} are held"
            for row in wrong
            if row["kind"] == "CUSTOMER" and row["balance_minor"] < row["held_minor"]
        ],
    )


async def watch_ledger(database: BankDatabase, clock_s: Callable[[], float], into: list[LedgerSnapshot]) -> None:
    """Take a snapshot every `SNAPSHOT_EVERY_S`, until cancelled."""
    while True:
        into.append(await read_ledger(database, clock_s()))
        await asyncio.sleep(SNAPSHOT_EVERY_S)


async def read_database(database: BankDatabase, master_key: str, plan: Plan) -> DatabaseState:
    """Read all data for the checks in one snapshot. `rows` have their texts decrypted.

    The rows as they are stored are searched for the personal texts of the plan.
    """
    async with database.snapshot() as connection:
        decryption = Decryption(master_key, await connection.fetch(KEYS_OF_TEXTS))
        entries = [EntryRow(*row) for row in await connection.fetch(ENTRIES)]
        return DatabaseState(
            users=[
                UserRow(row["id"], decryption.decrypt(row["email"]), row["role"])
                for row in await connection.fetch(USERS)
            ],
            accounts={row["id"]: AccountRow(*row) for row in await connection.fetch(ACCOUNTS)},
            transactions={row["id"]: TransactionRow(*row) for row in await connection.fetch(TRANSACTIONS)},
            entries={account: list(rows) for account, rows in groupby(entries, lambda entry: entry.account_id)},
            holds={row["id"]: HoldRow(*row) for row in await connection.fetch(HOLDS)},
            keys={(row["caller_id"], row["key"]): _key(row) for row in await connection.fetch(KEYS)},
            events=[_event(row) for row in await connection.fetch(EVENTS)],
            audits=[AuditRow(*row) for row in await connection.fetch(AUDITS)],
            days=[DayRow(*row) for row in await connection.fetch(DAYS)],
            positions={row["subscriber"]: row["position"] for row in await connection.fetch(POSITIONS)},
            dead_letters=[
                f"{row['place']}: {decryption.decrypt(row['error'])}" for row in await connection.fetch(DEAD_LETTERS)
            ],
            head=await connection.fetchval(HEAD),
            deadlocks=await connection.fetchval(DEADLOCKS),
            rows={table: await _whole(connection, table, decryption) for table in WHOLE},
            stored_texts=await search_personal_texts(connection, plan),
        )


async def _whole(connection: Any, table: str, decryption: Decryption) -> list[Row]:
    # All times are in UTC, independent of the server's zone; the table names are constants of this file.
    await connection.execute("set local time zone 'UTC'")
    rows = await connection.fetch(f"select (to_jsonb(t) - 'event_data')::text from {table} t")  # noqa: S608
    return [decryption.decrypt(json.loads(row[0])) for row in rows]


def _key(row: Any) -> KeyRow:
    caller_id, key, operation, transaction_id, listed, hold_id = row
    return KeyRow(caller_id, key, operation, transaction_id, tuple(listed), hold_id)


def _event(row: Any) -> EventRow:
    data = json.loads(row["event_data"])
    return EventRow(
        position=row["position"],
        event_type=row["event_type"],
        aggregate_id=row["aggregate_id"],
        aggregate_type=row["aggregate_type"],
        data=data if isinstance(data, dict) else {},
        at_us=row["at_us"],
    )
