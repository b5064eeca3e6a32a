"""An export has everything that the bank stores about a person, in clear, and nothing that another person did."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from bank.cli.main import main
from bank.privacy import export
from bank.privacy.classify import COLUMNS, DataClass
from bank.privacy.export import NOT_EXPORTED, ROWS_OF, exported_columns
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.encryption import MASTER_KEY
from tests.integration.payers import SetClock

DESCRIPTION = "canary-description of a gift"
AGENT = {"User-Agent": "canary-agent 7.1"}


class _Customers:
    """Ana, who has sent money to Bia and has set money aside for her."""

    def __init__(self, bank: RunningBank) -> None:
        self.bank = bank

    async def populate(self) -> None:
        staff = await self.bank.staff()
        self.email = f"ana-{uuid.uuid4().hex}@example.com"
        self.ana, self.bia = await self.bank.client.person(email=self.email), await self.bank.client.person()
        account, other = await self.ana.account(), await self.bia.account()
        self.number = account["number"]
        await staff.deposit(self.number, "100.00", "d")
        money = {"amount": "1.00", "currency": "BRL"}
        paid = {"fromAccountId": account["id"], "toAccountNumber": other["number"], "amount": money}
        for operation in ("Transfer", "AuthorizeHold"):
            given = {"idempotencyKey": operation, "description": DESCRIPTION, **paid}
            await self.ana.run(operation, headers=AGENT, input=given)
        # A request of staff about Ana, who sees it but not the person who made it.
        much = {"amount": "60000.00", "currency": "BRL"}
        asked = {"idempotencyKey": "much", "accountNumber": self.number, "amount": much, "description": DESCRIPTION}
        await staff.run("Deposit", input=asked)
        await self.bank.caught_up()

    async def data(self, **given: Any) -> Any:
        reply = await self.ana.run("ExportMyData", headers=AGENT, input=given)
        return reply.data["exportMyData"]


@pytest.fixture
async def customers(running_bank: RunningBank) -> _Customers:
    customers = _Customers(running_bank)
    await customers.populate()
    return customers


async def test_an_export_has_everything_in_clear(customers: _Customers) -> None:
    document = json.loads((await customers.data())["document"])
    [user] = document["users"]
    assert (user["email"], user["full_name"], len(user["cpf"])) == (customers.email, "Maria da Silva", 11)
    assert [account["number"] for account in document["accounts"]] == [customers.number]
    assert document["sessions"][0]["ip_address"] == "127.0.0.1"
    assert {row["description"] for row in document["transactions"]} == {None, DESCRIPTION}
    assert [hold["description"] for hold in document["holds"]] == [DESCRIPTION]
    assert AGENT["User-Agent"] in {row["user_agent"] for row in document["audit_logs"]}
    outcomes = {row["key"]: row["outcome"] for row in document["idempotency_keys"]}
    assert outcomes["Transfer"]["receipt"]["description"] == DESCRIPTION
    [approval] = document["approvals"]
    assert (approval["status"], approval["description"], approval["requested_by"]) == ("PENDING", DESCRIPTION, None)
    assert document["entries"]
    assert document["account_days"]
    assert document["refresh_tokens"]


async def test_an_export_has_no_secret_and_no_encrypted_text(customers: _Customers) -> None:
    document = (await customers.data())["document"]
    for secret in ("argon2", "enc1.", "password_hash", "salt", "wrapped", '"digest"'):
        assert secret not in document


async def test_an_export_does_not_name_other_people(customers: _Customers) -> None:
    document = (await customers.data())["document"]
    async with customers.bank.bank.database.connection() as connection:
        own = customers.bank.bank.cipher.lookup_digest("email", customers.email)
        rows = await connection.fetch("select email from users where email_digest <> $1", own)
        others = await customers.bank.bank.cipher.decrypt([row["email"] for row in rows], connection.fetch)
        staff = await connection.fetchval("select id from users where role = 'OPERATOR'")
    assert len(others) == 2
    assert [email for email in others.values() if email and email in document] == []
    rows = json.loads(document)
    columns = [row.get("user_id") for row in rows["audit_logs"]]
    columns += [row["initiated_by"] for row in rows["transactions"] + rows["holds"]]
    columns += [row[name] for row in rows["approvals"] for name in ("requested_by", "decided_by")]
    assert str(staff) not in columns
    assert None in columns


async def test_an_export_as_text_can_be_read(customers: _Customers) -> None:
    text = (await customers.data(format="TEXT"))["document"]
    assert text.startswith("Everything that the bank stores about user ")
    assert f"email: {customers.email}\nfull name: Maria da Silva\n" in text
    assert f"description: {DESCRIPTION}\n" in text


async def test_an_export_is_on_record(customers: _Customers) -> None:
    await customers.data()
    again = json.loads((await customers.data())["document"])
    await customers.bank.caught_up()
    assert [row["action"] for row in again["audit_logs"]].count("EXPORT") <= 1, "the trail may be a moment behind"
    async with customers.bank.bank.database.connection() as connection:
        rows = await connection.fetch("select user_id, entity_id from audit_logs where action = 'EXPORT'")
    assert [(row["user_id"], row["entity_id"]) for row in rows] == [(uuid.UUID(again["person_id"]),) * 2] * 2


async def test_an_export_needs_a_fresh_login(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        ana = await bank.client.person()
        clock.moment += timedelta(minutes=5)
        assert (await ana.run("ExportMyData", input={})).data["exportMyData"]["document"]
        clock.moment += timedelta(seconds=1)
        refused = (await ana.run("ExportMyData", input={})).data["exportMyData"]
        assert (refused["document"], refused["userErrors"][0]["code"]) == (None, "FRESH_LOGIN_REQUIRED")
        await bank.caught_up()
        async with bank.bank.database.connection() as connection:
            values = await connection.fetchval("select new_values from audit_logs where action = 'REFUSE'")
        assert json.loads(values)["code"] == "FRESH_LOGIN_REQUIRED"


async def test_a_large_export_is_refused_by_the_api(customers: _Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.api.resolvers.privacy.API_ROWS_MAX", 5)
    refused = await customers.data()
    assert refused["userErrors"][0]["code"] == "EXPORT_TOO_LARGE"


async def test_the_command_exports_by_address_and_by_id(customers: _Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DATABASE_URL", customers.bank.bank.settings.database_url)

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, main, ["privacy", "export", *arguments])

    by_email = await run(customers.email.upper())
    assert by_email.exit_code == 0, by_email.output
    document = json.loads(by_email.stdout)
    by_id = await run(document["person_id"], "--format", "text")
    assert f"email: {customers.email}" in by_id.stdout
    unknown = await run("nobody@example.com")
    assert (unknown.exit_code, unknown.stderr) == (2, "bank: There is no user nobody@example.com.\n")
    async with customers.bank.bank.database.connection() as connection:
        exports = await connection.fetch(
            "select user_id from event_store where event_type = 'PersonalDataExportedEvent'"
        )
    assert [row["user_id"] for row in exports] == [None, None]


def test_every_table_with_personal_data_is_exported() -> None:
    personal = {
        table
        for table, columns in COLUMNS.items()
        if {*columns.values()} - {DataClass.NOT_PERSONAL, DataClass.SECRET_DIGEST, DataClass.WRAPPED_KEY}
    }
    assert personal == ROWS_OF.keys() | NOT_EXPORTED.keys(), "add the rows of a person to bank/privacy/export.py"
    assert ROWS_OF.keys().isdisjoint(NOT_EXPORTED)


def test_a_new_personal_column_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {**COLUMNS["users"], "birthday": DataClass.ENCRYPTED}
    monkeypatch.setattr(export, "COLUMNS", {**COLUMNS, "users": columns})
    assert "birthday" in exported_columns("users")
