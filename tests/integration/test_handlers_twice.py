"""Every handler in the table may be called twice; its effect happens once (R8, S1, S8)."""

from typing import Any

import redis.asyncio as redis

from bank.app import Bank
from bank.clock import SystemClock
from bank.database.connection import ROLE
from bank.events.dispatch import Subscriber
from bank.events.replay import Replay
from bank.events.types.registry import EVENT_TYPES
from tests.integration.api import RunningBank
from tests.integration.events import one_of_each

TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"
# Leases and heartbeats change all the time, and are not an effect of an event.
LEASES = {"owner", "leased_until", "beats", "renewed_at"}


async def everything(bank: Bank) -> dict[str, Any]:
    """Return every row of every table, and every key of Redis."""
    state: dict[str, Any] = {}
    async with bank.database.connection() as connection:
        # The role of the bank may not read every table.
        await connection.execute("set role none")
        for (table,) in await connection.fetch(TABLES):
            rows = await connection.fetch(f"select * from {table}")
            state[table] = sorted(repr([pair for pair in row.items() if pair[0] not in LEASES]) for row in rows)
        await connection.execute(f"set role {ROLE}")
    client = redis.Redis.from_url(bank.settings.redis_url)
    # The key of the epoch counts every call, and those of rate limits expire.
    kept = [key async for key in client.scan_iter() if not key.startswith(b"bank:") and b":limit:" not in key]
    state["redis"] = {key: await client.dump(key) for key in kept}
    await client.aclose()
    return state


async def event_count_of(bank: Bank, subscriber: Subscriber) -> int:
    async with bank.database.connection() as connection:
        types = [row["event_type"] for row in await connection.fetch("select event_type from event_store")]
    return sum(subscriber.types is None or type_ in subscriber.types for type_ in types)


async def test_a_second_delivery_of_every_event_changes_nothing(running_bank: RunningBank) -> None:
    bank = running_bank.bank
    person = await running_bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await running_bank.staff()).deposit(first["number"], "10.00", "d")
    for key in ("t", "u", "v"):
        await person.transfer(first["id"], second["number"], "1.00", key)
    async with bank.uow_factory.begin() as uow:
        for event in one_of_each():
            uow.emit(event)
    await running_bank.caught_up()
    before = await everything(bank)
    assert len(before["account_days"]) == 4  # accounts of two users, the bank's cash, the account of the sample events
    assert len(before["audit_logs"]) > len(EVENT_TYPES)
    assert any(b"account:" in key for key in before["redis"])
    for delivery in bank.deliveries:
        again = Replay(bank.database, delivery.subscriber, SystemClock(), bank.cipher)
        done = await again.run(since=1, until=None, progress=lambda _done, _total: None)
        assert (done.handled, done.failed) == (await event_count_of(bank, delivery.subscriber), [])
        assert await everything(bank) == before, f"{delivery.subscriber.name} does something the second time"
