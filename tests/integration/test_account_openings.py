"""Opening accounts: the values of a new account, the limit on their number, and the idempotency key."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from bank.accounts.open import ACCOUNTS_PER_USER_MAX, OpenAccountResult, open_account
from bank.cache.values import CacheTag
from bank.clock import SystemClock
from bank.events.event import DomainEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.ledger.model import Account
from bank.refusal import Refusal
from tests.integration.books import Books
from tests.integration.encryption import origins_for


@dataclass
class Openings:
    """A test double for the cache and the event recorder of an opening. It records its calls."""

    books: Books
    cached: list[CacheTag] = field(default_factory=list)
    recorded: list[DomainEvent] = field(default_factory=list)

    async def put(self, tags: Sequence[CacheTag]) -> bool:
        self.cached += tags
        return True

    async def record(self, event: DomainEvent) -> None:
        self.recorded.append(event)

    async def open(self, key: str = "k", currency: str = "BRL", user_id: UUID | None = None) -> OpenAccountResult:
        work = UnitOfWorkFactory(self.books.database, self.books.bus, SystemClock(), origins_for(self.books.database))
        user_id = user_id or self.books.owner_id
        return await open_account(work, self, self, user_id=user_id, key=key, currency=currency)  # type: ignore[arg-type]  # a double

    async def row(self, statement: str, *arguments: Any) -> Any:
        return await self.books.connection.fetchrow(statement, *arguments)

    async def emitted_events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return type and data of every event, except those of the migrations."""
        rows = await self.books.connection.fetch(
            "select event_type, event_data from event_store where event_type <> 'UserRegisteredEvent' order by position"
        )
        return [(row["event_type"], json.loads(row["event_data"])) for row in rows]


def account_of(opening: OpenAccountResult) -> Account:
    assert isinstance(opening.result, Account)
    return opening.result


def code_of(opening: OpenAccountResult) -> tuple[str, tuple[str, ...] | None]:
    assert isinstance(opening.result, Refusal)
    return opening.result.code, opening.result.field


async def test_a_new_account_is_empty_and_active_and_belongs_to_its_owner(books: Books) -> None:
    openings = Openings(books)
    opening = await openings.open()
    opened = account_of(opening)
    row = await openings.row("select * from accounts where user_id = $1", books.owner_id)
    assert (opened.id, opened.number, opened.created_at) == (row["id"], row["number"], row["created_at"])
    assert (opened.user_id, opened.kind, opened.currency) == (books.owner_id, "CUSTOMER", "BRL")
    assert (opened.status, opened.balance_minor, opened.version, opening.replayed) == ("ACTIVE", 0, 0, False)
    assert (row["kind"], row["status"], row["currency"], row["balance_minor"]) == ("CUSTOMER", "ACTIVE", "BRL", 0)
    assert row["updated_at"] == row["created_at"]
    [(event_type, data)] = await openings.emitted_events()
    assert (event_type, data["account_id"], data["owner_id"]) == (
        "AccountCreatedEvent", str(opened.id), str(books.owner_id)
    )  # fmt: skip
    assert (data["number"], data["currency"]) == (opened.number, "BRL")
    # The list of the owner's accounts has changed, so its cached value is invalid.
    version = (await openings.row("select version from users where id = $1", books.owner_id))["version"]
    assert [(tag.key, tag.version) for tag in openings.cached] == [(f"user:{books.owner_id}", version)]
    assert version == 2
    assert openings.recorded == []


async def test_a_key_opens_one_account(books: Books) -> None:
    openings = Openings(books)
    made = [await openings.open() for _ in range(2)] + await asyncio.gather(*[openings.open() for _ in range(5)])
    assert {account_of(opening) for opening in made} == {account_of(made[0])}
    assert [opening.replayed for opening in made] == [False] + [True] * 6
    assert len(await openings.emitted_events()) == 1
    key = await openings.row("select * from idempotency_keys")
    assert (key["caller_id"], key["key"], key["operation"]) == (books.owner_id, "k", "openAccount")
    # The event has the digest of the key's row.
    metadata = json.loads((await openings.row("select metadata from event_store order by position desc"))["metadata"])
    assert len(metadata["key_digest"]) == 64
    # A retry writes to the cache again, because the first attempt may not have reached Redis.
    assert len(openings.cached) == 7
    assert account_of(await openings.open("k2")).id != account_of(made[0]).id


async def test_a_key_of_a_transfer_opens_nothing(books: Books) -> None:
    openings, account_id = Openings(books), await books.open_account()
    await books.deposit(account_id, "1.00", key="k", caller_id=books.owner_id)
    assert code_of(await openings.open()) == ("IDEMPOTENCY_KEY_REUSED", ("input", "idempotencyKey"))
    event_type, data = (await openings.emitted_events())[-1]
    assert (event_type, data["action"], data["code"]) == (
        "ActionRefusedEvent", "openAccount", "IDEMPOTENCY_KEY_REUSED"
    )  # fmt: skip
    assert (data["entity_type"], data["entity_id"], data["initiated_by"]) == ("User", *[str(books.owner_id)] * 2)


async def test_an_unsupported_currency_is_refused_and_leaves_the_key_unused(books: Books) -> None:
    openings = Openings(books)
    assert code_of(await openings.open(currency="USD")) == ("CURRENCY_MISMATCH", ("input", "currency"))
    [told] = openings.recorded
    assert (told.action, told.code) == ("openAccount", "CURRENCY_MISMATCH")  # type: ignore[attr-defined]
    assert (told.entity_id, told.initiated_by) == (books.owner_id, books.owner_id)  # type: ignore[attr-defined]
    assert (await openings.emitted_events(), openings.cached) == ([], [])
    assert not (await openings.open()).replayed


async def test_a_user_has_at_most_twenty_accounts_and_the_refusal_is_stored(books: Books) -> None:
    openings = Openings(books)
    for _ in range(ACCOUNTS_PER_USER_MAX - 1):
        await books.open_account()
    both = await asyncio.gather(openings.open("a"), openings.open("b"))
    [opened] = [one for one in both if isinstance(one.result, Account)]
    [refused] = [one for one in both if one is not opened]
    assert code_of(refused) == ("ACCOUNT_LIMIT_REACHED", None)
    key = "b" if opened is both[0] else "a"
    event_type, data = (await openings.emitted_events())[-1]
    assert (event_type, data["code"], data["entity_id"]) == (
        "ActionRefusedEvent", "ACCOUNT_LIMIT_REACHED", str(books.owner_id)
    )  # fmt: skip
    await books.connection.execute("set session_replication_role = replica")
    await books.connection.execute("delete from accounts where id = $1", account_of(opened).id)
    again = await openings.open(key)
    assert (code_of(again), again.replayed) == (("ACCOUNT_LIMIT_REACHED", None), True)


@pytest.mark.parametrize("count", [3])
async def test_account_numbers_are_unique(books: Books, count: int) -> None:
    openings = Openings(books)
    numbers = {account_of(await openings.open(f"k{number}")).number for number in range(count)}
    assert len(numbers) == count
