"""An erased person can be read nowhere, and the books stay right, also after the restore of an older backup."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from validate_docbr import CPF

from bank.audit.verify_trail import verify_trail
from bank.cli.main import main
from bank.invariants.verify import verify
from bank.privacy.erasures import Erasure, ErasureRegister, RegisterUnusable
from bank.privacy.identities import key_owner
from fixtures.backends.reach import run_sql
from tests.conftest import Servers, with_database
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.encryption import MASTER_KEY
from tests.integration.payers import SetClock, connected

DESCRIPTION = "canary-description of a gift"
AGENT = {"User-Agent": "canary-agent 7.1"}
HISTORY = "query($id: ID!) { account(id: $id) { transactions(first: 9) { nodes { kind description } } } }"


class _Customers:
    """Ana, who has sent everything that she had to Bia."""

    def __init__(self, bank: RunningBank) -> None:
        self.bank = bank

    async def populate(self) -> None:
        self.staff = await self.bank.staff()
        self.email, self.cpf = f"ana-{uuid.uuid4().hex}@example.com", CPF().generate()
        assert (await self.register()).data["register"]["accepted"]
        self.ana, self.bia = await self.login(), await self.bank.client.person()
        self.id = (await self.ana.run("Me")).data["me"]["id"]
        self.account, self.other = await self.ana.account(), await self.bia.account()
        await self.staff.deposit(self.account["number"], "1.00", "d")
        paid = await self.pay()
        assert paid.data["transfer"]["transaction"]["description"] == DESCRIPTION
        await self.bank.caught_up()

    async def register(self) -> Any:
        given = {"email": self.email, "fullName": "Ana Canary", "cpf": self.cpf, "password": PASSWORD}
        return await self.bank.client.run("Register", headers=AGENT, input=given)

    async def login(self) -> Client:
        reply = await self.bank.client.run("Login", headers=AGENT, input={"email": self.email, "password": PASSWORD})
        return Client(self.bank.client.http, self.bank.client.url, reply.data["login"]["tokens"]["accessToken"])

    async def pay(self) -> Any:
        return await self.ana.transfer(self.account["id"], self.other["number"], "1.00", "k", description=DESCRIPTION)

    async def erase(self, **given: Any) -> Any:
        return (await self.ana.run("EraseMyData", input=given)).data["eraseMyData"]

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.bank.bank.database.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def broken(self) -> list[str]:
        await self.bank.caught_up()
        found = [finding.sentence for finding in (await verify(self.bank.bank.settings.database_url)).findings]
        async with self.bank.bank.database.connection() as connection:
            found += [finding.sentence for finding in (await verify_trail(connection)).findings]
        return found


@pytest.fixture
def register(tmp_path: Path) -> Path:
    return tmp_path / "erasures.jsonl"


@pytest.fixture
async def customers(database_url: str, redis_url: str, register: Path) -> AsyncIterator[_Customers]:
    async with serving(settings_for(database_url, redis_url, erasures_file=register)) as bank:
        customers = _Customers(bank)
        await customers.populate()
        yield customers


async def _readable(customers: _Customers) -> dict[str, str]:
    """Return every row of every table as text, with each text decrypted. A retained identity stays encrypted."""
    texts = {}
    async with connected(customers.bank.bank.settings.database_url) as owner:
        for row in await owner.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        ):
            rows = [row[0] for row in await owner.fetch(f"select to_jsonb(t)::text from {row['relname']} t")]
            plain = await customers.bank.bank.cipher.decrypt_documents(rows, owner.fetch)
            texts[row["relname"]] = "\n".join(text or "" for text in plain)
    return texts


async def test_nothing_of_an_erased_person_can_be_read(customers: _Customers) -> None:
    canaries = (customers.email, customers.cpf, "Ana Canary", DESCRIPTION, AGENT["User-Agent"])
    before = await _readable(customers)
    assert {canary for canary in canaries if any(canary in text for text in before.values())} == set(canaries)
    result = await customers.erase()
    assert (result["erased"], result["userErrors"]) == (True, [])
    await customers.bank.caught_up()
    after = await _readable(customers)
    assert [(table, canary) for table, text in after.items() for canary in canaries if canary in text] == []


async def test_the_books_are_right_after_an_erasure(customers: _Customers) -> None:
    await customers.erase()
    assert await customers.broken() == []
    [account] = await customers.fetch("select status from accounts where user_id = $1", uuid.UUID(customers.id))
    assert account["status"] == "CLOSED"


async def test_an_erased_person_is_logged_out_and_cannot_log_in(customers: _Customers) -> None:
    other = await customers.login()
    await customers.erase()
    for client in (customers.ana, other):
        assert (await client.run("Me")).code == "UNAUTHENTICATED"
    login = await customers.bank.client.run("Login", input={"email": customers.email, "password": PASSWORD})
    assert login.data["login"]["userErrors"][0]["code"] == "INVALID_CREDENTIALS"


async def test_the_same_address_and_cpf_can_register_again(customers: _Customers) -> None:
    await customers.erase()
    assert (await customers.register()).data["register"]["userErrors"] == []
    assert (await (await customers.login()).run("Me")).data["me"]["id"] != customers.id
    assert await customers.broken() == []


async def test_no_cached_page_of_another_customer_shows_a_text_of_an_erased_person(customers: _Customers) -> None:
    async def descriptions() -> tuple[list[str | None], str]:
        reply = await customers.bia.send(HISTORY, {"id": customers.other["id"]})
        nodes = reply.data["account"]["transactions"]["nodes"]
        return [node["description"] for node in nodes], str(reply.headers.get("Cache-Status"))

    await customers.bank.until_redis_is_trusted()
    await descriptions()
    texts, cache_status = await descriptions()
    assert texts == [DESCRIPTION]
    assert "hit" in cache_status
    await customers.erase()
    assert (await descriptions())[0] == [None]
    await customers.bank.until_redis_is_trusted()
    assert [(await descriptions())[0] for _ in range(2)] == [[None], [None]]


async def test_a_replay_of_another_customer_still_works(customers: _Customers) -> None:
    money = {"amount": "1.00", "currency": "BRL"}
    deposit = {"idempotencyKey": "d", "accountNumber": customers.account["number"], "amount": money}
    await customers.erase()
    replay = (await customers.staff.run("Deposit", input=deposit)).data["deposit"]
    assert (replay["replayed"], replay["transaction"]["amount"]["amount"]) == (True, "1.00")


async def test_an_erasure_is_refused_while_money_is_left(customers: _Customers) -> None:
    await customers.staff.deposit(customers.account["number"], "12.34", "more")
    refused = await customers.erase()
    [error] = refused["userErrors"]
    assert (refused["erased"], refused["kept"], error["code"]) == (False, [], "ACCOUNT_NOT_EMPTY")
    assert error["message"] == f"Account {customers.account['number']} has a balance of 12.34 BRL."
    assert (await customers.ana.run("Me")).data["me"]["email"] == customers.email


async def test_an_erasure_is_refused_while_a_hold_for_the_person_is_active(customers: _Customers) -> None:
    held = {
        "idempotencyKey": "h", "fromAccountId": customers.other["id"], "toAccountNumber": customers.account["number"],
        "amount": {"amount": "0.50", "currency": "BRL"},
    }  # fmt: skip
    assert (await customers.bia.run("AuthorizeHold", input=held)).data["authorizeHold"]["hold"]
    [error] = (await customers.erase())["userErrors"]
    assert error["message"] == f"Account {customers.account['number']} has active holds of 0.50 BRL."


async def test_a_frozen_account_and_a_staff_role_refuse_an_erasure(customers: _Customers) -> None:
    given = {"accountNumber": customers.account["number"], "reason": "A court asks."}
    await customers.staff.run("FreezeAccount", input=given)
    assert (await customers.erase())["userErrors"][0]["code"] == "ACCOUNT_FROZEN"
    refused = (await customers.staff.run("EraseMyData", input={})).data["eraseMyData"]
    assert refused["userErrors"][0]["code"] == "STAFF_NOT_ERASED"


async def test_a_dry_run_erases_nothing_and_says_what_is_kept(customers: _Customers) -> None:
    result = await customers.erase(dryRun=True)
    assert (result["erased"], result["userErrors"]) == (False, [])
    assert {kept["term"] for kept in result["kept"]} == {"10 years"}
    assert all("Lei 9.613/1998" in kept["source"] for kept in result["kept"])
    assert (await customers.ana.run("Me")).data["me"]["email"] == customers.email


async def test_an_erasure_needs_a_fresh_login(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        ana = await bank.client.person()
        clock.moment += timedelta(minutes=5, seconds=1)
        refused = (await ana.run("EraseMyData", input={})).data["eraseMyData"]
        assert refused["userErrors"][0]["code"] == "FRESH_LOGIN_REQUIRED"


async def test_concurrent_erasures_and_logins_leave_no_open_session(customers: _Customers) -> None:
    login = {"email": customers.email, "password": PASSWORD}
    await asyncio.gather(
        customers.ana.run("EraseMyData", input={}),
        *(customers.bank.client.run("Login", input=login) for _ in range(6)),
        customers.ana.run("OpenAccount", input={"idempotencyKey": "late", "currency": "BRL"}),
    )
    [row] = await customers.fetch("select erased_at from users where id = $1", uuid.UUID(customers.id))
    assert row["erased_at"] is not None
    assert (
        await customers.fetch(
            "select id from sessions where user_id = $1 and closed_at is null", uuid.UUID(customers.id)
        )
        == []
    )
    assert (
        await customers.fetch(
            "select id from accounts where user_id = $1 and status <> 'CLOSED'", uuid.UUID(customers.id)
        )
        == []
    )
    assert await customers.broken() == []


async def test_an_older_backup_does_not_bring_an_erased_person_back(
    database_url: str, redis_url: str, register: Path, servers: Servers
) -> None:
    settings = settings_for(database_url, redis_url, erasures_file=register)
    async with serving(settings) as bank:
        customers = _Customers(bank)
        await customers.populate()
        await customers.staff.deposit(customers.account["number"], "5.00", "not withdrawn in the backup")
        await bank.caught_up()
    maintenance, _ = servers.addresses()
    backup = f"test_{uuid.uuid4().hex[:12]}"
    run_sql(maintenance, f"create database {backup} template {urlsplit(database_url).path[1:]} strategy file_copy")
    try:
        async with serving(settings) as bank:
            customers.bank, customers.staff = bank, await bank.staff()
            customers.ana = await customers.login()
            withdrawn = {"idempotencyKey": "w", "accountNumber": customers.account["number"],
                         "amount": {"amount": "5.00", "currency": "BRL"}}  # fmt: skip
            assert (await customers.staff.run("Withdraw", input=withdrawn)).data["withdraw"]["transaction"]
            assert (await customers.erase())["erased"]
        # At its start, the bank erases the person in the restored backup as well.
        restored = settings_for(with_database(maintenance, backup), redis_url, erasures_file=register)
        async with serving(restored) as bank:
            customers.bank = bank
            texts = await _readable(customers)
            canaries = (customers.email, customers.cpf, "Ana Canary", DESCRIPTION)
            assert [(table, c) for table, text in texts.items() for c in canaries if c in text] == []
            [row] = await customers.fetch(
                "select status, balance_minor from accounts a join users u on u.id = a.user_id"
                " where erased_at is not null"
            )
            assert (row["status"], row["balance_minor"]) == ("ACTIVE", 500), "staff decide about the money"
            assert await customers.broken() == []
    finally:
        run_sql(maintenance, f"drop database {backup} with (force)")


async def test_the_identity_is_disclosed_on_record_until_the_end_of_its_term(
    customers: _Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DATABASE_URL", customers.bank.bank.settings.database_url)
    await customers.erase()

    async def disclose(reason: str) -> Any:
        arguments = ["privacy", "disclose", customers.id, "--reason", reason]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    assert (await disclose(" ")).stderr == "bank: A reason has 1 to 140 characters that can be read.\n"
    said = await disclose("Order 17 of the court")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout) == {"email": customers.email, "full_name": "Ana Canary", "cpf": customers.cpf}
    await customers.bank.caught_up()
    [row] = await customers.fetch("select new_values from audit_logs where new_values ? 'reason' and action = 'READ'")
    [values] = await customers.bank.bank.cipher.decrypt_documents([row["new_values"]], customers.fetch)
    assert json.loads(values or "")["reason"] == "Order 17 of the court"
    assert await customers.broken() == []


async def test_an_identity_is_deleted_with_its_key_after_its_term(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        customers = _Customers(bank)
        await customers.populate()
        await customers.erase()
        clock.moment = datetime(clock.moment.year + 10, 12, 31, 23, tzinfo=UTC)
        assert (await bank.bank.data_retention.run_once())["identities"] == 0
        clock.moment += timedelta(hours=1)
        assert (await bank.bank.data_retention.run_once())["identities"] == 1
        keys = await customers.fetch("select wrapped from encryption_keys where person_id = $1::uuid",
            key_owner(uuid.UUID(customers.id)))  # fmt: skip
        assert [key["wrapped"] for key in keys] == [None]
        assert await customers.broken() == []


async def test_the_register_has_each_erasure_before_it_is_acknowledged(customers: _Customers, register: Path) -> None:
    await customers.erase()
    [line] = _lines(register)
    assert json.loads(line)["person_id"] == customers.id


def _lines(register: Path) -> list[str]:
    assert register.stat().st_mode & 0o777 == 0o600
    return register.read_text().splitlines()


async def test_an_erasure_that_a_killed_process_did_not_register_is_registered_at_the_start(
    customers: _Customers, register: Path
) -> None:
    await customers.erase()
    await asyncio.to_thread(register.write_text, '{"person_id": "')  # cut off by a crash
    assert await customers.bank.bank.erasures.complete(customers.bank.bank.database) == 1
    [erasure] = await customers.bank.bank.erasures.read()
    assert str(erasure.person_id) == customers.id


async def test_an_erasure_that_cannot_be_registered_is_not_made(customers: _Customers, register: Path) -> None:
    await asyncio.to_thread(register.unlink)
    await asyncio.to_thread(register.mkdir)
    reply = await customers.ana.run("EraseMyData", input={})
    assert (reply.status, reply.code) == (503, "UNAVAILABLE")
    assert str(register) not in str(reply.body)
    assert (await customers.ana.run("Me")).data["me"]["email"] == customers.email
    await asyncio.to_thread(register.rmdir)
    assert (await customers.erase())["erased"]


async def test_a_line_that_was_written_in_part_is_no_registered_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, write = ErasureRegister(tmp_path / "erasures.jsonl"), os.write
    first, second = (Erasure(person_id=uuid.uuid4(), erased_at=datetime.now(UTC)) for _ in range(2))
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:-9]))
    with pytest.raises(RegisterUnusable, match="only a part of a line was written"):
        await register.append([first])
    monkeypatch.undo()
    await register.append([second])
    assert await register.read() == [second]


async def test_the_commands_erase_and_reapply(
    customers: _Customers, register: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DATABASE_URL", customers.bank.bank.settings.database_url)
    monkeypatch.setenv("BANK_ERASURES_FILE", str(register))

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, main, ["privacy", *arguments])

    dry = await run("erase", customers.email, "--dry-run")
    assert f"User {customers.id} would be erased. Accounts that close: {customers.account['number']}.\n" in dry.stdout
    done = await run("erase", customers.email)
    assert done.exit_code == 0, done.output
    assert "Circular BCB 3.978/2020, art. 67 (ten years)" in done.stdout
    assert (await customers.ana.run("Me")).code == "UNAUTHENTICATED"
    again = await run("erase", customers.id)
    assert (again.exit_code, again.stderr) == (2, "bank: This user is erased already.\n")
    assert "0 users were erased again." in (await run("reapply")).stdout
    assert await customers.broken() == []
