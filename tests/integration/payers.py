"""A user who pays, and functions for the tests of retries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from tests.integration.api import Client, Reply, RunningBank
from tests.integration.encryption import plain_rows


@dataclass
class Payer:
    """A user with R$ 100.00 on one account, and another account to move money to."""

    client: Client
    first: dict[str, Any]
    second: dict[str, Any]

    def input(self, key: str | None, amount: str = "10.00", **more: Any) -> dict[str, Any]:
        given = {"fromAccountId": self.first["id"], "toAccountNumber": self.second["number"]}
        keyed = {} if key is None else {"idempotencyKey": key}
        return {**keyed, **given, "amount": {"amount": amount, "currency": "BRL"}, **more}

    async def pay(self, key: str, amount: str = "10.00", **more: Any) -> Reply:
        return await self.client.run("Transfer", input=self.input(key, amount, **more))

    async def paid(self, key: str, amount: str = "10.00", **more: Any) -> dict[str, Any]:
        payload: dict[str, Any] = (await self.pay(key, amount, **more)).data["transfer"]
        return payload

    async def balances(self) -> tuple[str, str]:
        read = {"Cache-Control": "no-cache"}
        first, second = [await self.client.balance(one["id"], headers=read) for one in (self.first, self.second)]
        return first, second


async def payer_at(bank: RunningBank, *, balance: str | None = "100.00") -> Payer:
    person = await bank.client.person()
    payer = Payer(person, await person.account("a"), await person.account("b"))
    if balance is not None:
        await (await bank.staff()).deposit(payer.first["number"], balance, f"fund-{payer.first['id']}")
    return payer


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


def without_mark(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "replayed"}


async def keys_of(bank: RunningBank, *keys: str) -> set[str]:
    """Return the keys of these that are stored, for any caller."""
    async with bank.bank.database.connection() as connection:
        rows = await connection.fetch("select key from idempotency_keys where key = any($1)", list(keys))
    return {row["key"] for row in rows}


async def again_logged_in(bank: RunningBank, payer: Payer) -> Client:
    async with bank.bank.database.connection() as connection:
        owner = "select email from users u join accounts a on a.user_id = u.id where a.number = $1"
        [row] = await plain_rows(connection, bank.bank.cipher, owner, payer.first["number"])
    return await bank.client.login(row["email"])


async def waits_for_a_lock(connection: Any) -> int:
    """Return the server process that waits for a lock in this database, once there is one."""
    # Leases and deliveries of a running bank wait for each other for moments; these waits do not count.
    waiting = """
        select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
            and query not like '%subscriber_positions%'
    """
    async with asyncio.timeout(4):
        while (pid := await connection.fetchval(waiting)) is None:
            await asyncio.sleep(0.01)
            # Within a transaction, PostgreSQL returns the activity of the first query again.
            await connection.execute("select pg_stat_clear_snapshot()")
    found: int = pid
    return found


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


# The trigger runs inside of COMMIT, so that COMMIT waits for the owner of the lock.
HOLD_COMMITS = """
create function wait_in_commit() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock_shared(1); return null; end';
create constraint trigger wait_in_commit after insert on idempotency_keys deferrable initially deferred
    for each row execute function wait_in_commit()
"""
