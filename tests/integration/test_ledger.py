"""The ledger moves money once and on both sides, and the database refuses everything else."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from bank.clock import SystemClock
from bank.idempotency.outcomes import Receipt
from bank.ledger import post
from bank.ledger.model import Account
from bank.ledger.post import Ledger
from bank.refusal import Refusal
from tests.integration.books import Books, running_books
from tests.integration.encryption import cipher_for


async def _count(books: Books, table: str) -> int:
    return int(await books.connection.fetchval(f"select count(*) from {table}"))


def _code(outcome: Any) -> str:
    assert isinstance(outcome.result, Refusal)
    return outcome.result.code


async def test_a_transfer_moves_money_and_writes_two_entries_that_sum_to_zero(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    outcome = await books.transfer(ana, bia, "25.50", key="t1")
    assert isinstance(outcome.result, Receipt)
    assert not outcome.replayed
    assert await books.balances_minor(ana, bia) == [7_450, 2_550]
    entries = await books.connection.fetch(
        "select account_id, version, amount_minor, balance_after_minor from entries where transaction_id = $1"
        " order by amount_minor", outcome.result.transaction_id,
    )  # fmt: skip
    assert [tuple(entry) for entry in entries] == [(ana, 2, -2_550, 7_450), (bia, 1, 2_550, 2_550)]


async def test_a_transfer_emits_initiated_then_balances_then_completed_at_dense_positions(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    inbox = books.bus.subscribe("test")
    inbox.open()
    await books.transfer(ana, bia, "1.00", key="t1")
    published = [event for event, _ in inbox.take(after=4, max_events=10)]
    stored = await books.connection.fetch("select position, event_type from event_store where position > 4 order by 1")
    names = [
        "TransactionInitiatedEvent",
        "BalanceUpdatedEvent",
        "BalanceUpdatedEvent",
        "TransactionCompletedEvent",
    ]
    assert [(row["position"], row["event_type"]) for row in stored] == list(enumerate(names, start=5))
    assert [(event.position, event.event_type) for event in published] == list(enumerate(names, start=5))


async def test_events_of_waiting_batches_are_published_completely_and_in_order(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "BATCH_MAX", 3)
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    inbox = books.bus.subscribe("test")
    inbox.open()
    await asyncio.gather(*[books.transfer(ana, bia, "1.00", key=f"t{number}") for number in range(20)])
    published = [(event.position, event.event_type) for event, _ in inbox.take(after=4, max_events=100)]
    stored = await books.connection.fetch("select position, event_type from event_store where position > 4 order by 1")
    assert published == [tuple(row) for row in stored]
    assert len(published) == 80


async def test_a_refused_transfer_leaves_no_entries_and_one_event(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=100), await books.open_account()
    before = await _count(books, "entries")
    assert _code(await books.transfer(ana, bia, "1.01", key="t1")) == "INSUFFICIENT_FUNDS"
    assert await _count(books, "entries") == before
    told = await books.connection.fetch(
        "select event_type, aggregate_id, event_data from event_store where position > 4"
    )
    assert [(row["event_type"], row["aggregate_id"]) for row in told] == [("ActionRefusedEvent", ana)]
    assert json.loads(told[0]["event_data"])["code"] == "INSUFFICIENT_FUNDS"
    assert await books.balances_minor(ana, bia) == [100, 0]


async def test_a_replay_has_the_first_answer_and_is_marked(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    first = await books.transfer(ana, bia, "10.00", key="t1")
    again = await books.transfer(ana, bia, "10.0", key="t1")
    assert again.replayed
    assert again.result == first.result
    assert await books.balances_minor(ana, bia) == [9_000, 1_000]


async def test_a_refusal_is_replayed_after_the_account_received_money(books: Books) -> None:
    ana, bia = await books.open_account(), await books.open_account()
    assert _code(await books.transfer(ana, bia, "10.00", key="t1")) == "INSUFFICIENT_FUNDS"
    await books.deposit(ana, "50.00", key="d1")
    again = await books.transfer(ana, bia, "10.00", key="t1")
    assert _code(again) == "INSUFFICIENT_FUNDS"
    assert again.replayed
    assert await books.balances_minor(ana, bia) == [5_000, 0]


@pytest.mark.parametrize("amount", ["11.00", "10.01"])
async def test_a_key_used_with_other_content_is_refused(books: Books, amount: str) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    await books.transfer(ana, bia, "10.00", key="t1")
    assert _code(await books.transfer(ana, bia, amount, key="t1")) == "IDEMPOTENCY_KEY_REUSED"
    assert _code(await books.deposit(ana, "10.00", key="t1", caller_id=books.owner_id)) == "IDEMPOTENCY_KEY_REUSED"
    assert await books.balances_minor(ana, bia) == [9_000, 1_000]


async def test_fifty_concurrent_commands_with_one_key_have_one_effect(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    outcomes = await asyncio.gather(*[books.transfer(ana, bia, "10.00", key="t1") for _ in range(50)])
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert len({outcome.result.transaction_id for outcome in outcomes if isinstance(outcome.result, Receipt)}) == 1
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert await books.balances_minor(ana, bia) == [9_000, 1_000]


async def test_one_batch_spends_a_balance_once(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    outcomes = await asyncio.gather(*[books.transfer(ana, bia, "4.00", key=f"t{i}") for i in range(5)])
    assert sum(isinstance(outcome.result, Receipt) for outcome in outcomes) == 2
    assert await books.balances_minor(ana, bia) == [200, 800]


async def test_a_refused_command_does_not_fail_the_rest_of_the_batch(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    outcomes = await asyncio.gather(
        books.transfer(ana, bia, "1.00", key="t1"),
        books.transfer(ana, uuid4(), "1.00", key="t2"),
        books.transfer(uuid4(), bia, "1.00", key="t3"),
        books.transfer(ana, ana, "1.00", key="t4"),
        books.transfer(ana, bia, "1.00", key="t5", caller_id=uuid4()),
        books.transfer(ana, bia, "2.00", key="t6"),
    )
    codes = [outcome.result.code if isinstance(outcome.result, Refusal) else None for outcome in outcomes]
    assert codes == [None, "ACCOUNT_NOT_FOUND", "ACCOUNT_NOT_FOUND", "SAME_ACCOUNT", "ACCOUNT_NOT_FOUND", None]
    assert await books.balances_minor(ana, bia) == [700, 300]


@pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
async def test_an_inactive_account_neither_pays_nor_receives(books: Books, status: str) -> None:
    ana, other = await books.open_account(balance_minor=1_000), await books.open_account(status=status)
    assert _code(await books.transfer(ana, other, "1.00", key="t1")) == f"ACCOUNT_{status}"


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("0", "BRL", "INVALID_AMOUNT"),
        ("-1.00", "BRL", "INVALID_AMOUNT"),
        ("1.001", "BRL", "INVALID_AMOUNT"),
        ("1000000000.00", "BRL", "INVALID_AMOUNT"),
        ("99999999999999999999.00", "BRL", "INVALID_AMOUNT"),
        ("1.00", "USD", "CURRENCY_MISMATCH"),
    ],
)
async def test_an_invalid_request_is_refused_and_leaves_the_key_unused(
    books: Books, amount: str, currency: str, code: str
) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    assert _code(await books.transfer(ana, bia, amount, key="t1", currency=currency)) == code
    assert not (await books.transfer(ana, bia, "1.00", key="t1")).replayed


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "nul\0"])
async def test_a_malformed_key_is_refused(books: Books, key: str) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    assert _code(await books.transfer(ana, bia, "1.00", key=key)) == "INVALID_INPUT"


async def test_changed_accounts_are_written_through_before_the_answer(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    await books.transfer(ana, bia, "1.00", key="t1")
    newest = {account.id: account for account in books.written_through}
    assert (newest[ana].balance_minor, newest[ana].version) == (900, 2)
    assert (newest[bia].balance_minor, newest[bia].version) == (100, 1)


GUARDED = [
    ("an update of entries", "update entries set amount_minor = 1"),
    ("a deletion of entries", "delete from entries"),
    ("a truncation of entries", "truncate entries"),
    ("an update of transactions", "update transactions set amount_minor = 1"),
    ("a deletion of events", "delete from event_store"),
    ("an update of events", "update event_store set event_data = '{}'"),
    ("a truncation of audit rows", "truncate audit_logs"),
    ("a balance without entries", "update accounts set balance_minor = balance_minor + 1 where kind = 'CUSTOMER'"),
    ("a version without entries", "update accounts set version = version + 1 where kind = 'CUSTOMER'"),
    ("entries that an account forgets", "update accounts set version = 0, balance_minor = 0"),
    ("money held without a hold", "update accounts set held_minor = 1 where kind = 'CUSTOMER'"),
    ("an overdraft", "update accounts set balance_minor = -1 where kind = 'CUSTOMER'"),
    (
        "an account that does not open empty",
        "insert into accounts (id, user_id, kind, number, currency, status, balance_minor, created_at)"
        " select gen_random_uuid(), user_id, 'CUSTOMER', 'x', 'BRL', 'ACTIVE', 5, now() from accounts"
        " where user_id is not null limit 1",
    ),
    (
        "an entry of one side only",
        "insert into entries"
        " select id, version + 1, gen_random_uuid(), 5, 'BRL', balance_minor + 5, now() from accounts",
    ),
    (
        "entries that the accounts do not know",
        "with t as (select gen_random_uuid() as id) insert into entries"
        " select a.id, a.version + 1, t.id, case a.kind when 'CASH' then -5 else 5 end, 'BRL', 5, now()"
        " from accounts a, t",
    ),
    (
        "a position that leaves a gap",
        "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, metadata)"
        " values (gen_random_uuid(), 99, 'X', gen_random_uuid(), 'X', '{}', '{}')",
    ),
]


@pytest.mark.parametrize("statement", [sql for _, sql in GUARDED], ids=[name for name, _ in GUARDED])
async def test_the_database_refuses_invalid_rows(books: Books, statement: str) -> None:
    await books.open_account(balance_minor=1_000)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await books.connection.execute(statement)


async def test_two_ledgers_on_one_database_spend_a_balance_once(books: Books, database_url: str) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    async with running_books(database_url) as other:
        other.owner_id, other.numbers = books.owner_id, books.numbers
        outcomes = await asyncio.gather(
            *[books.transfer(ana, bia, "3.00", key=f"a{i}") for i in range(30)],
            *[other.transfer(ana, bia, "3.00", key=f"b{i}") for i in range(30)],
        )
    assert sum(isinstance(outcome.result, Receipt) for outcome in outcomes) == 33
    assert await books.balances_minor(ana, bia) == [100, 9_900]


async def test_closing_waits_until_every_caller_has_an_answer(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    told, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(_accounts: Sequence[Account]) -> None:
        told.set()
        await may_go_on.wait()

    monkeypatch.setattr(books.ledger, "_write_through", slow)
    paying = asyncio.create_task(books.transfer(ana, bia, "1.00", key="k"))
    await told.wait()
    closing = asyncio.create_task(books.ledger.close())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    may_go_on.set()
    await closing
    await asyncio.sleep(0)
    assert paying.done()
    assert isinstance((await paying).result, Receipt)


async def test_closing_writes_the_queued_commands(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    cipher = cipher_for(books.database)
    running, books.ledger = books.ledger, Ledger(books.database, books.bus, SystemClock(), _nobody, cipher)
    paying = [asyncio.create_task(books.transfer(ana, bia, "1.00", key=key)) for key in ("a", "b")]
    await asyncio.sleep(0)
    await books.ledger.close()
    assert [isinstance(outcome.result, Receipt) for outcome in await asyncio.gather(*paying)] == [True, True]
    books.ledger = running
    assert await books.balances_minor(ana, bia) == [800, 200]


async def _nobody(_accounts: Sequence[Account]) -> None:
    pass


async def test_an_account_row_equals_the_account_after_the_batch(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    await books.transfer(ana, bia, "1.00", key="a")
    await books.transfer(ana, bia, "2.00", key="b")
    left = {one.id: replace(one, updated_at=None) for one in books.written_through}
    rows = post.queries.lock_accounts(books.connection, ids=[ana, bia])
    stored = {row["id"]: replace(Account(*row), updated_at=None) async for row in rows}
    assert stored == {id_: left[id_] for id_ in (ana, bia)}
    assert (stored[ana].spent_minor, stored[ana].revision, stored[ana].version) == (300, 3, 3)


async def test_the_size_of_a_batch_is_measured(books: Books) -> None:
    def measured() -> float:
        return REGISTRY.get_sample_value("bank_posting_batch_size_sum") or 0.0

    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    before = measured()
    await asyncio.gather(*[books.transfer(ana, bia, "1.00", key=f"t{number}") for number in range(3)])
    assert measured() == before + 3
