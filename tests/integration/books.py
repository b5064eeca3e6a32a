"""A ledger on a real database, and accounts for postings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from bank.clock import SystemClock
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.idempotency.outcomes import Outcome
from bank.identifiers import account_number, uuid7
from bank.ledger.model import Account
from bank.ledger.post import Ledger
from bank.ledger.terms import Terms
from bank.money import MAX_POSTING_MINOR
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.transfer import SubmitTransfer, submit_transfer
from tests.integration.encryption import cipher_for

# These limits permit every amount, so that no test here is refused by a limit.
TERMS = Terms(
    transfer_limit_minor=MAX_POSTING_MINOR,
    daily_limit_minor=MAX_POSTING_MINOR,
    approval_above_minor=MAX_POSTING_MINOR,
)


@dataclass
class Books:
    """A running ledger, a connection to read what it wrote, and a user with accounts."""

    ledger: Ledger
    bus: Bus
    database: Database
    connection: Any
    owner_id: UUID
    written_through: list[Account] = field(default_factory=list)
    numbers: dict[UUID, str] = field(default_factory=dict)
    terms: Terms = TERMS
    # Deposits are made by somebody else, because staff make none into their own accounts.
    teller_id: UUID = field(default_factory=uuid7)

    async def open_account(self, *, balance_minor: int = 0, status: str = "ACTIVE") -> UUID:
        sequence = await self.connection.fetchval("select nextval('account_number_sequence')")
        account_id = uuid7()
        self.numbers[account_id] = account_number(1, sequence)
        await self.connection.execute(
            "insert into accounts (id, user_id, kind, number, currency, status, created_at)"
            " values ($1, $2, 'CUSTOMER', $3, 'BRL', 'ACTIVE', now())",
            account_id, self.owner_id, self.numbers[account_id],
        )  # fmt: skip
        if balance_minor:
            await self.deposit(account_id, f"{balance_minor // 100}.{balance_minor % 100:02}", key=f"fund-{account_id}")
        if status != "ACTIVE":
            await self.connection.execute("update accounts set status = $2 where id = $1", account_id, status)
        return account_id

    async def deposit(self, to_id: UUID, amount: str, *, key: str, caller_id: UUID | None = None) -> Outcome:
        return await submit_deposit(
            self.ledger,
            self.terms,
            SubmitDeposit(
                caller_id=caller_id or self.teller_id, key=key, to_number=self.numbers[to_id], to_id=to_id,
                amount=amount, currency="BRL",
            ),
        )  # fmt: skip

    async def transfer(
        self, from_id: UUID, to_id: UUID, amount: str, *, key: str, caller_id: UUID | None = None, currency: str = "BRL"
    ) -> Outcome:
        return await submit_transfer(
            self.ledger,
            self.terms,
            SubmitTransfer(
                caller_id=caller_id or self.owner_id, key=key, from_id=from_id,
                to_number=self.numbers.get(to_id, "0001/99999999-9"), to_id=to_id if to_id in self.numbers else None,
                amount=amount, currency=currency,
            ),
        )  # fmt: skip

    async def balances_minor(self, *account_ids: UUID) -> list[int]:
        rows = await self.connection.fetch("select id, balance_minor from accounts where id = any($1)", account_ids)
        balances = {row["id"]: row["balance_minor"] for row in rows}
        return [balances[id_] for id_ in account_ids]


@contextlib.asynccontextmanager
async def running_books(database_url: str) -> AsyncIterator[Books]:
    """Run a ledger on a database, for a user who is not yet in it."""
    database = Database(database_url, pool_size=4, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    connection = await asyncpg.connect(database_url)
    written: list[Account] = []

    async def write_through(accounts: Sequence[Account]) -> None:
        written.extend(accounts)

    bus = Bus()
    ledger = Ledger(database, bus, SystemClock(), write_through, cipher_for(database))
    loop = asyncio.create_task(ledger.loop.run())
    try:
        yield Books(ledger, bus, database, connection, uuid7(), written)
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        await ledger.close()
        await connection.close()
        await database.close()
