"""An audit trail on a real database, written by the bank's own handler, and changes of it by a superuser."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from bank.audit.record import record_events
from bank.clock import SystemClock
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.log import read
from bank.events.types.accounts import AccountFrozenEvent
from bank.events.types.users import UserRegisteredEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, enter_context
from tests.integration.encryption import origins_for

# Characters that JSON and COPY have to escape.
AWKWARD = 'a "quote", a \\backslash\\, a\ttab, a\nline, a \\n, ação, 💰, \x01 and \x7f'


@dataclass
class Trail:
    """A log with its audit trail, and a connection with all privileges."""

    database: Database
    work: UnitOfWorkFactory
    connection: Any

    async def append(self, count: int) -> None:
        """Append events to the log."""
        enter_context(RequestContext("c", "127.0.0.1", AWKWARD))
        for number in range(count):
            async with self.work.begin() as uow:
                if number % 2:
                    uow.emit(UserRegisteredEvent(id=uuid7(), role="CUSTOMER"))
                else:
                    uow.emit(AccountFrozenEvent(account_id=uuid7(), reason=AWKWARD, initiated_by=uuid7()))

    async def record(self, *, after: int = 0, until: int = 1_000) -> None:
        """Let the audit handler handle these positions of the log, as its delivery does."""
        events = (await read(self.connection, after=after, max_events=until - after)).events
        async with self.connection.transaction():
            await record_events(self.connection, events)
            await self.connection.execute(
                "insert into subscriber_positions (subscriber, position) values ('audit', $1)"
                " on conflict (subscriber) do update set position = greatest(subscriber_positions.position, $1)",
                events[-1].position,
            )  # fmt: skip

    async def write(self, count: int) -> None:
        """Append events and record them, in two deliveries."""
        head = await self.connection.fetchval("select position from event_log_head")
        await self.append(count)
        await self.record(after=head, until=head + count // 2)
        await self.record(after=head + count // 2, until=head + count)

    async def tamper(self, *statements: str) -> None:
        """Execute statements as a superuser, without triggers."""
        async with self.connection.transaction():
            await self.connection.execute("set local session_replication_role = replica")
            for statement in statements:
                await self.connection.execute(statement)

    async def forge_chain(self, number: int) -> None:
        """Calculate the hashes from a row on again, so that the chain fits."""
        await self.tamper(
            f"""
            with chained as (
                select number, audit_chain(
                    (select coalesce(max(hash), decode(repeat('00', 32), 'hex')) from audit_logs
                        where number = {number - 1}),
                    json_build_array(event_position, a.id, a.user_id, entity_type, entity_id, action, old_values,
                        new_values, ip_address, user_agent, a.created_at at time zone 'UTC',
                        e.id, event_type, event_version, event_data, metadata)::text
                ) over (order by number) as hash
                from audit_logs a left join event_store e on e.position = event_position where number >= {number}
            ) update audit_logs a set hash = c.hash from chained c where c.number = a.number
            """
        )


@contextlib.asynccontextmanager
async def open_trail(database_url: str) -> AsyncIterator[Trail]:
    """Open the trail of a migrated database."""
    database = Database(database_url, pool_size=4, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    connection = await asyncpg.connect(database_url)
    try:
        yield Trail(database, UnitOfWorkFactory(database, Bus(), SystemClock(), origins_for(database)), connection)
    finally:
        await connection.close()
        await database.close()
