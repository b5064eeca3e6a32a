"""Looking into the database: snapshots of the ledger while the bank runs, and all facts once it rests.

Every statement is in this file, so that a changed column is one edit.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg

from fixtures.backends.reach import plain_url
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

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What reading a database that may be away can raise."""

SNAPSHOT_EVERY_S = 2.0
"""Often enough to meet batches in flight, seldom enough that adding up all entries does not slow what is measured."""

POLL_S = 0.1

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
# What a key's stored answer names: of a list, the transaction of each item.
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
POSITIONS = "select subscriber, position from subscriber_positions order by subscriber"
DEAD_LETTERS = """
    select subscriber || ' at position ' || event_position || ': ' || error
    from dead_letters where redelivered_at is null order by event_position, subscriber
"""
HEAD = "select position from event_log_head"
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"
LEASES = "select subscriber, leased_until from subscriber_positions"
LISTENING = "bank-listener"
"""The name of the connections on which workers hear of one another."""

END_LISTENERS = """
    select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
    where application_name = $1 and datname = current_database()
"""
# Who is to post holds a lock that the others wait for.
SILENT_POSTERS = """
    select pid, state_change from pg_stat_activity join pg_locks using (pid)
    where locktype = 'advisory' and mode = 'ExclusiveLock' and granted and state = 'idle in transaction'
    and datname = current_database()
"""
WRITTEN = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
ON_DISK = "select (pg_current_wal_flush_lsn() - '0/0')::bigint"
LOCK_ACCOUNTS = "lock table accounts in access exclusive mode"
COUNT_USERS = "select count(*) from users"

WHOLE = ("users", "accounts", "transactions", "holds", "sessions", "audit_logs", "event_store")
"""The tables of which every column is looked at."""

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


class Observatory:
    """Reads the bank's database on one connection of its own, each time in one REPEATABLE READ snapshot."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._busy = asyncio.Lock()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        async with self._busy, self._connection.transaction(isolation="repeatable_read", readonly=True):
            yield self._connection

    async def users(self) -> int:
        """Return how many users there are."""
        return int(await self._connection.fetchval(COUNT_USERS))

    async def ledger(self, at_s: float) -> LedgerSnapshot:
        """Return the state of the whole ledger at this moment."""
        async with self._snapshot() as connection:
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
                f"account {row['id']} holds {row['balance_minor']}, of which {row['held_minor']} are promised"
                for row in wrong
                if row["kind"] == "CUSTOMER" and row["balance_minor"] < row["held_minor"]
            ],
        )

    async def watch_ledger(self, clock_s: Callable[[], float], into: list[LedgerSnapshot]) -> None:
        """Take a snapshot now and then, until cancelled."""
        while True:
            into.append(await self.ledger(clock_s()))
            await asyncio.sleep(SNAPSHOT_EVERY_S)

    async def drained(self) -> bool:
        """Return whether every subscriber has handled every event."""
        async with self._snapshot() as connection:
            head = await connection.fetchval(HEAD)
            positions = await connection.fetch(POSITIONS)
        return bool(positions) and all(row["position"] == head for row in positions)

    async def wait_until_drained(self, timeout_s: float) -> bool:
        """Wait, at most so long, until every subscriber has handled every event; return whether they have."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.drained():  # noqa: ASYNC110 - another process' database cannot signal an Event
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    async def leases(self) -> dict[str, datetime | None]:
        """Return until when each subscriber is served by somebody."""
        return {row["subscriber"]: row["leased_until"] for row in await self._connection.fetch(LEASES)}

    async def end_listeners(self) -> int:
        """End the connections on which workers hear of one another; return how many there were."""
        return int(await self._connection.fetchval(END_LISTENERS, LISTENING))

    async def written(self) -> int:
        """Return how far PostgreSQL has written its own log, in bytes."""
        return int(await self._connection.fetchval(WRITTEN))

    async def on_disk(self) -> int:
        """Return how far that log is on the disk: what comes after it a crash takes back."""
        return int(await self._connection.fetchval(ON_DISK))

    async def silent_posters(self) -> set[tuple[int, datetime]]:
        """Return the connections that are in the middle of a batch and have nothing to do, and since when."""
        return {(row["pid"], row["state_change"]) for row in await self._connection.fetch(SILENT_POSTERS)}

    @asynccontextmanager
    async def accounts_locked(self) -> AsyncIterator[None]:
        """Keep everybody from reading and writing accounts, as somebody does who changes the table."""
        async with self._connection.transaction():
            await self._connection.execute(LOCK_ACCOUNTS)
            yield

    async def facts(self) -> DatabaseState:
        """Read everything the checks look at, all of one moment."""
        async with self._snapshot() as connection:
            entries = [EntryRow(*row) for row in await connection.fetch(ENTRIES)]
            return DatabaseState(
                users=[UserRow(*row) for row in await connection.fetch(USERS)],
                accounts={row["id"]: AccountRow(*row) for row in await connection.fetch(ACCOUNTS)},
                transactions={row["id"]: TransactionRow(*row) for row in await connection.fetch(TRANSACTIONS)},
                entries={account: list(rows) for account, rows in groupby(entries, lambda entry: entry.account_id)},
                holds={row["id"]: HoldRow(*row) for row in await connection.fetch(HOLDS)},
                keys={(row["caller_id"], row["key"]): _key(row) for row in await connection.fetch(KEYS)},
                events=[_event(row) for row in await connection.fetch(EVENTS)],
                audits=[AuditRow(*row) for row in await connection.fetch(AUDITS)],
                days=[DayRow(*row) for row in await connection.fetch(DAYS)],
                positions={row["subscriber"]: row["position"] for row in await connection.fetch(POSITIONS)},
                dead_letters=[row[0] for row in await connection.fetch(DEAD_LETTERS)],
                head=await connection.fetchval(HEAD),
                deadlocks=await connection.fetchval(DEADLOCKS),
                rows={table: await _whole(connection, table) for table in WHOLE},
            )


async def _whole(connection: Any, table: str) -> list[Row]:
    # Times in one zone, whatever the server's; the names of the tables are this file's own.
    await connection.execute("set local time zone 'UTC'")
    rows = await connection.fetch(f"select (to_jsonb(t) - 'event_data')::text from {table} t")  # noqa: S608
    return [json.loads(row[0]) for row in rows]


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


@asynccontextmanager
async def open_observatory(database_url: str) -> AsyncIterator[Observatory]:
    """Connect to the bank's database. Raises OSError or asyncpg's errors where it cannot be reached."""
    settings = {"application_name": "bank-simulation"}
    connection = await asyncpg.connect(plain_url(database_url), server_settings=settings)
    try:
        yield Observatory(connection)
    finally:
        await connection.close()
