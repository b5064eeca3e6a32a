"""The phone number of a user: the password is asked for, it is stored encrypted, and it ends with an erasure."""

from typing import Any

from bank.invariants.verify import verify
from tests.integration.api import PASSWORD, Client, RunningBank

PHONE = "+5511987654321"


async def _change(client: Client, phone: str | None, password: str = PASSWORD) -> Any:
    return (await client.run("ChangePhone", input={"phone": phone, "password": password})).data["changePhone"]


async def _phone(client: Client) -> Any:
    return (await client.run("Me")).data["me"]["phone"]


async def _stored(bank: RunningBank) -> list[str]:
    async with bank.bank.database.connection() as connection:
        return [row["phone"] for row in await connection.fetch("select phone from users where phone is not null")]


async def test_a_number_is_shown_after_its_change_and_removed_by_null(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person()
    assert await _phone(ana) is None
    assert await _change(ana, "+55 (11) 98765-4321") == {"changed": True, "userErrors": []}
    assert await _phone(ana) == PHONE
    assert (await _change(ana, None))["changed"]
    assert await _phone(ana) is None


async def test_a_number_is_stored_encrypted_and_bank_check_agrees(running_bank: RunningBank) -> None:
    ana, bia = await running_bank.client.person(), await running_bank.client.person()
    assert (await _change(ana, PHONE))["changed"]
    assert (await _change(bia, PHONE))["changed"]
    first, second = await _stored(running_bank)
    assert first.startswith("enc1.")
    assert first != second
    await running_bank.caught_up()
    assert not (await verify(running_bank.bank.settings.database_url)).findings
    async with running_bank.bank.database.connection() as connection:
        await connection.execute("update users set phone = $1 where phone = $2", second, first)
    [finding] = (await verify(running_bank.bank.settings.database_url)).findings
    assert "the digest of address, name, CPF, phone and password" in finding.sentence


async def test_a_wrong_password_changes_nothing(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person()
    refused = await _change(ana, PHONE, "not the password")
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [
        ("INVALID_CREDENTIALS", ["input", "password"])
    ]
    assert await _stored(running_bank) == []


async def test_a_text_that_is_no_number_is_refused_by_its_type(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person()
    reply = await ana.run("ChangePhone", input={"phone": "11 98765-4321", "password": PASSWORD})
    [error] = reply.body["errors"]
    assert "PhoneNumber" in error["message"]
    assert "98765-4321" not in error["message"]


async def test_an_erased_person_has_no_number(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person()
    assert (await _change(ana, PHONE))["changed"]
    assert PHONE in (await ana.run("ExportMyData", input={"format": "JSON"})).data["exportMyData"]["document"]
    assert (await ana.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    assert await _stored(running_bank) == []
