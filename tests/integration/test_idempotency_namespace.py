"""All mutations of a caller share one namespace of keys, also if different statements write their effects."""

import asyncio
from importlib import import_module
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from bank.accounts import open as opening
from bank.database.migrate import upgrade
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import IdempotencyRecord, find_record
from bank.refusal import Refusal
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.books import Books
from tests.integration.encryption import MASTER_KEY

REUSED = "IDEMPOTENCY_KEY_REUSED"


async def _funded(bank: RunningBank) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    person = await bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await bank.staff()).deposit(first["number"], "100.00", f"fund-{first['id']}")
    return person, first, second


def _codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def _open(person: Any, key: str) -> dict[str, Any]:
    reply = await person.run("OpenAccount", input={"idempotencyKey": key, "currency": "BRL"})
    payload: dict[str, Any] = reply.data["openAccount"]
    return payload


async def test_a_key_that_opened_an_account_transfers_nothing(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    reply = await person.transfer(first["id"], second["number"], "1.00", "a")
    assert _codes(reply.data["transfer"]) == [REUSED]
    assert not reply.data["transfer"]["replayed"]
    assert await person.balance(first["id"]) == "100.00"
    assert (await _open(person, "a"))["account"]["id"] == first["id"]


async def test_a_key_that_transferred_opens_no_account(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    await person.transfer(first["id"], second["number"], "1.00", "t1")
    payload = await _open(person, "t1")
    assert _codes(payload) == [REUSED]
    assert payload["account"] is None
    assert len((await person.run("Me")).data["me"]["accounts"]) == 2


async def test_a_replayed_opening_shows_the_account_as_it_was_opened(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    one = await _open(person, "a")
    await (await running_bank.staff()).deposit(one["account"]["number"], "100.00", "d")
    two = await _open(person, "a")
    assert (one.pop("replayed"), two.pop("replayed")) == (False, True)
    assert one == two


async def test_a_replayed_opening_shows_history_and_balance_of_one_instant(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    one = await _open(person, "a")
    await (await running_bank.staff()).deposit(one["account"]["number"], "100.00", "d")
    query = (
        "mutation ($input: OpenAccountInput!) { openAccount(input: $input) {"
        " account { balance { amount } transactions { nodes { id } } } } }"
    )
    reply = await person.send(query, {"input": {"idempotencyKey": "a", "currency": "BRL"}})
    account = reply.data["openAccount"]["account"]
    assert account == {"balance": {"amount": "0.00"}, "transactions": {"nodes": []}}


async def test_a_refusal_of_too_many_accounts_is_stored_under_its_key(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    for number in range(20):
        await person.account(str(number))
    one, two = await _open(person, "one too many"), await _open(person, "one too many")
    assert _codes(one) == _codes(two) == ["ACCOUNT_LIMIT_REACHED"]
    assert (one["replayed"], two["replayed"]) == (False, True)


async def test_a_refused_opening_leaves_the_cached_list_of_accounts_valid(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    await person.transfer(first["id"], second["number"], "1.00", "t1")
    await person.run("Me")
    await _open(person, "t1")
    await _open(person, "a")
    assert (await person.run("Me")).headers["Cache-Status"] == "bank; hit"


async def test_fifty_openings_at_once_with_one_key_open_one_account(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    payloads = await asyncio.gather(*[_open(person, "k") for _ in range(50)])
    assert sum(not payload["replayed"] for payload in payloads) == 1
    assert len({payload["account"]["id"] for payload in payloads}) == 1
    assert len((await person.run("Me")).data["me"]["accounts"]) == 1


async def test_an_opening_and_its_key_are_written_together_or_not_at_all(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await running_bank.client.person()

    async def breaks(*_: Any, **__: Any) -> bool:
        raise asyncpg.ConnectionDoesNotExistError("cut")

    with monkeypatch.context() as patched:
        patched.setattr("bank.idempotency.keys.queries.insert_key", breaks)
        reply = await person.run("OpenAccount", input={"idempotencyKey": "k", "currency": "BRL"})
        assert (reply.status, reply.code) == (503, "UNAVAILABLE")
    assert (await person.run("Me")).data["me"]["accounts"] == []
    assert not (await _open(person, "k"))["replayed"]


async def test_a_transfer_that_uses_the_key_before_the_commit_of_an_opening_wins(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, first, second = await _funded(running_bank)
    looked = []

    async def look_and_lose(connection: Any, **asked: Any) -> IdempotencyRecord | None:
        found = await find_record(connection, **asked)
        looked.append(found)
        if len(looked) == 1:
            reply = await person.transfer(first["id"], second["number"], "1.00", "k")
            assert reply.data["transfer"]["userErrors"] == []
        return found

    monkeypatch.setattr(opening, "find_record", look_and_lose)
    assert _codes(await _open(person, "k")) == [REUSED]
    assert [known and known.operation for known in looked] == [None, "transfer"]
    assert len((await person.run("Me")).data["me"]["accounts"]) == 2
    await running_bank.caught_up()


async def test_an_opening_that_uses_the_key_of_a_batched_command_fails_only_that_command(
    books: Books, database_url: str
) -> None:
    ana, bia = await books.open_account(balance_minor=1_000), await books.open_account()
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute(
            "insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, created_at)"
            " values ($1, 'k', 'openAccount', '\\x00', '{}', now())", books.owner_id,
        )  # fmt: skip
        both = asyncio.gather(
            books.transfer(ana, bia, "1.00", key="k"), books.transfer(ana, bia, "2.00", key="neighbour")
        )
        waiting = (
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%posted%')"
        )
        async with asyncio.timeout(4):
            while not await books.connection.fetchval(waiting):
                await asyncio.sleep(0.01)
    taken, neighbour = await both
    await other.close()
    assert isinstance(taken.result, Refusal)
    assert taken.result.code == REUSED
    assert not isinstance(neighbour.result, Refusal)
    assert await books.balances_minor(ana, bia) == [800, 200]


THE_MIGRATION = import_module("bank.database.migrations.versions.0002_one_namespace_of_keys")
OWNER = uuid4()
ACCOUNT = uuid4()


async def test_keys_of_openings_before_the_migration_are_replayed(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    await asyncio.to_thread(upgrade, postgres_url, level=THE_MIGRATION.down_revision)
    connection = await asyncpg.connect(postgres_url)
    await _open_as_before(connection)
    await asyncio.to_thread(upgrade, postgres_url)
    keys = await connection.fetch("select key, operation, request_digest from idempotency_keys order by key")
    [opened_at] = await connection.fetchrow("select created_at from accounts where id = $1", ACCOUNT)
    await connection.close()
    # A key that a transfer has also used stays with the transfer.
    assert [tuple(key) for key in keys] == [("both", "transfer", b"1"), ("old", "openAccount", request_digest("BRL"))]
    async with serving(settings_for(postgres_url, redis_url)) as running:
        bank = running.bank
        again = await opening.open_account(
            bank.uow_factory, bank.recorder, bank.values, user_id=OWNER, key="old", currency="BRL"
        )
    assert again.replayed
    assert not isinstance(again.result, Refusal)
    assert (again.result.id, again.result.number, again.result.created_at) == (ACCOUNT, "0001/00000001-1", opened_at)


async def _open_as_before(connection: Any) -> None:
    await connection.execute(
        "insert into users (id, email, full_name, cpf, password_hash, role, created_at, updated_at)"
        " values ($1, 'ana@example.com', 'Ana', '52998224725', '-', 'CUSTOMER', now(), now())", OWNER,
    )  # fmt: skip
    accounts = [(ACCOUNT, "0001/00000001-1", "old"), (uuid4(), "0001/00000002-2", "both")]
    await connection.executemany(
        "insert into accounts (id, user_id, kind, number, currency, status, opening_key, created_at)"
        f" values ($1, '{OWNER}', 'CUSTOMER', $2, 'BRL', 'ACTIVE', $3, '2026-03-01 12:00:00.123456-03')", accounts,
    )  # fmt: skip
    await connection.execute(
        "insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, created_at)"
        " values ($1, 'both', 'transfer', '1', '{}', now())", OWNER,
    )  # fmt: skip
