"""The database refuses rows that would make, lose or hide money, both from its owner and from the role of the bank."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from bank.database.connection import ROLE
from tests.integration.books import Books
from tests.integration.test_ledger import GUARDED

# A deposit as the ledger writes it, in one statement. The tests replace the words in capitals.
POSTING = """
with given as (
    select TRANSACTION as id, a.id as credit_id, a.version as credit_version, a.balance_minor as credit_balance,
        c.id as debit_id, c.version as debit_version, c.balance_minor as debit_balance
    from accounts a, accounts c where a.id = '{account}' and c.kind = 'CASH'
), written as (
    insert into transactions (id, kind, amount_minor, currency, debit_account_id, credit_account_id, debit_version,
        credit_version, initiated_by, created_at)
    select id, 'DEPOSIT', SAID, 'CURRENCY', debit_id, NAMED, debit_version + 1, CREDIT_VERSION,
        gen_random_uuid(), now() from given where WRITTEN
), entered as (
    insert into entries (account_id, version, transaction_id, amount_minor, currency, balance_after_minor, created_at)
    select debit_id, debit_version + 1, ENTERED, -5, 'BRL', debit_balance - 5, now() from given where DEBITED
    union all
    select credit_id, credit_version + 1, ENTERED, 5, 'BRL', credit_balance + TOLD, now() from given where CREDITED
)
update accounts a set balance_minor = a.balance_minor + change, version = a.version + 1
from given cross join lateral (values (debit_id, -5, DEBITED), (credit_id, TOLD, CREDITED)) as s (id, change, due)
where a.id = s.id and s.due
"""
RIGHT = {
    "TRANSACTION": "gen_random_uuid()", "SAID": "5", "CURRENCY": "BRL", "NAMED": "credit_id",
    "CREDIT_VERSION": "credit_version + 1", "WRITTEN": "true", "DEBITED": "true", "CREDITED": "true", "ENTERED": "id",
    "TOLD": "5",
}  # fmt: skip
OTHER = "(select id from accounts where kind = 'CUSTOMER' and id <> credit_id)"
WRONG = {
    "entries of a transaction that there is not": {"WRITTEN": "false"},
    "entries of another amount than the transaction's": {"SAID": "6"},
    "entries in another currency than the transaction's": {"CURRENCY": "USD"},
    "an entry of another account than the transaction's": {"NAMED": OTHER},
    "an entry at another version than the transaction's": {"CREDIT_VERSION": "credit_version + 2"},
    "a transaction without entries": {"DEBITED": "false", "CREDITED": "false"},
    "a transaction with the debited entry only": {"CREDITED": "false"},
    "a transaction with the credited entry only": {"DEBITED": "false"},
    "an entry and an account that agree on a wrong balance": {"TOLD": "6"},
    "entries of a transaction that has its own": {
        "WRITTEN": "false",
        "ENTERED": "(select t.id from transactions t where t.amount_minor = 5 limit 1)",
    },
}
# Two deposits in one statement; the tests vary the values of the entry in the middle.
TWO_POSTINGS = """
with given as (
    select a.id, a.version, a.balance_minor, c.id as cash, c.version as cash_version, c.balance_minor as cash_balance
    from accounts a, accounts c where a.id = '{account}' and c.kind = 'CASH'
), deposits as (
    select given.*, n, gen_random_uuid() as transaction_id from given, generate_series(1, 2) as n
), written as (
    insert into transactions (id, kind, amount_minor, currency, debit_account_id, credit_account_id, debit_version,
        credit_version, initiated_by, created_at)
    select transaction_id, 'DEPOSIT', 5, 'BRL', cash, id, cash_version + n, version + n, gen_random_uuid(), now()
    from deposits
), entered as (
    insert into entries (account_id, version, transaction_id, amount_minor, currency, balance_after_minor, created_at)
    select cash, cash_version + n, transaction_id, -5, 'BRL', cash_balance - 5 * n, now() from deposits
    union all
    select id, version + n, transaction_id, 5, 'BRL', balance_minor + case n when 1 then {told} else 10 end, now()
    from deposits
)
update accounts a set balance_minor = a.balance_minor + change, version = a.version + 2
from given cross join lateral (values (cash, -10), (given.id, 10)) as s (id, change) where a.id = s.id
"""
HEAD = [
    "update event_log_head set position = position + 4",
    "update event_log_head set position = position - 1",
    "with h as (update event_log_head set position = position + 3 returning position)"
    " insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, metadata)"
    " select gen_random_uuid(), position, 'X', gen_random_uuid(), 'X', '{}', '{}' from h",
]


def posting(account_id: UUID, **varied: str) -> str:
    statement = POSTING.replace("{account}", str(account_id))
    for name, text in {**RIGHT, **varied}.items():
        statement = statement.replace(name, text)
    return statement


@pytest.fixture(params=["owner", ROLE])
async def owner_or_role(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Any]:
    """A connection of the database's owner, and one with the role of the bank."""
    settings = {} if request.param == "owner" else {"role": ROLE}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    yield connection
    await connection.close()


async def test_a_valid_posting_is_written(books: Books, owner_or_role: Any) -> None:
    ana = await books.open_account(balance_minor=1_000)
    await owner_or_role.execute(posting(ana))
    assert await books.balances_minor(ana) == [1_005]


@pytest.mark.parametrize("varied", WRONG.values(), ids=WRONG.keys())
async def test_an_invalid_posting_is_refused(books: Books, owner_or_role: Any, varied: dict[str, str]) -> None:
    ana, _ = await books.open_account(balance_minor=1_000), await books.open_account()
    await owner_or_role.execute(posting(ana))
    with pytest.raises(asyncpg.CheckViolationError):
        await owner_or_role.execute(posting(ana, **varied))
    assert await books.balances_minor(ana) == [1_005]


async def test_each_entry_follows_from_the_previous_one(books: Books, owner_or_role: Any) -> None:
    ana = await books.open_account(balance_minor=1_000)
    with pytest.raises(asyncpg.CheckViolationError, match=r"an entry of account .* is not what the account says"):
        await owner_or_role.execute(TWO_POSTINGS.format(account=ana, told=6))
    await owner_or_role.execute(TWO_POSTINGS.format(account=ana, told=5))
    assert await books.balances_minor(ana) == [1_010]


async def test_an_account_cannot_return_to_an_earlier_entry(books: Books, owner_or_role: Any) -> None:
    ana = await books.open_account(balance_minor=1_000)
    await owner_or_role.execute(posting(ana))
    with pytest.raises(asyncpg.CheckViolationError, match="without entries that say so"):
        await owner_or_role.execute("update accounts set version = 1, balance_minor = 1_000 where id = $1", ana)
    assert await books.balances_minor(ana) == [1_005]


async def test_guards_use_indexes_also_for_tables_of_one_page(
    books: Books, database_url: str, owner_or_role: Any
) -> None:
    ana = await books.open_account(balance_minor=1_000)
    onlooker = await asyncpg.connect(database_url)
    await onlooker.execute("analyze")

    async def whole_tables_read() -> list[tuple[str, int]]:
        await owner_or_role.execute("select pg_stat_force_next_flush()")
        return [
            tuple(row)
            for row in await onlooker.fetch(
                "select relname, seq_scan from pg_stat_user_tables where relname in ('entries', 'transactions')"
                " order by relname"
            )
        ]

    before = await whole_tables_read()
    await owner_or_role.execute(posting(ana))
    await owner_or_role.execute(posting(ana))
    assert await whole_tables_read() == before
    await onlooker.close()


async def test_a_transaction_cannot_be_written_before_its_entries(books: Books, owner_or_role: Any) -> None:
    ana = await books.open_account(balance_minor=1_000)
    id_ = f"'{uuid4()}'::uuid"
    with pytest.raises(asyncpg.CheckViolationError, match="written without its entries"):
        async with owner_or_role.transaction():
            await owner_or_role.execute(posting(ana, TRANSACTION=id_, DEBITED="false", CREDITED="false"))
            await owner_or_role.execute(posting(ana, TRANSACTION=id_, WRITTEN="false"))


@pytest.mark.parametrize("statement", HEAD)
async def test_the_head_of_the_log_moves_only_with_its_events(books: Books, owner_or_role: Any, statement: str) -> None:
    await books.open_account(balance_minor=1_000)
    with pytest.raises(asyncpg.CheckViolationError):
        await owner_or_role.execute(statement)


@pytest.mark.parametrize("statement", [sql for _, sql in GUARDED], ids=[name for name, _ in GUARDED])
async def test_the_database_refuses_the_bank_everything_that_it_refuses_its_owner(
    books: Books, database_url: str, statement: str
) -> None:
    await books.open_account(balance_minor=1_000)
    bank = await asyncpg.connect(database_url, server_settings={"role": ROLE})
    with pytest.raises((asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)):
        await bank.execute(statement)
    await bank.close()
