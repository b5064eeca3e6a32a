"""Sessions: the valid and invalid tokens, the ways to close a session, and that a closed session stays closed."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from validate_docbr import CPF

from tests.integration.api import PASSWORD, Client, RunningBank

GOOD = {"email": "joao@example.com", "fullName": "João Souza", "password": PASSWORD}


async def _login(client: Client, email: str, password: str = PASSWORD) -> Any:
    return (await client.run("Login", input={"email": email, "password": password})).data["login"]


async def _refresh(client: Client, token: str) -> Any:
    return (await client.run("RefreshSession", input={"refreshToken": token})).data["refreshSession"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "no address"}, "INVALID_INPUT"),
        ({"fullName": " "}, "INVALID_INPUT"),
        ({"password": "short"}, "WEAK_PASSWORD"),
        ({"password": "password12345"}, "WEAK_PASSWORD"),
        ({"password": "aaaaaaaaaaaaaaa"}, "WEAK_PASSWORD"),
    ],
)
async def test_a_wrong_registration_is_refused(running_bank: RunningBank, change: dict[str, str], code: str) -> None:
    reply = await running_bank.client.run("Register", input={**GOOD, "cpf": CPF().generate(), **change})
    assert reply.data["register"]["userErrors"][0]["code"] == code


async def test_an_invalid_cpf_is_refused_without_being_repeated(running_bank: RunningBank) -> None:
    reply = await running_bank.client.run("Register", input={**GOOD, "cpf": "111.111.111-11"})
    assert reply.code == "BAD_INPUT"
    assert "111" not in str(reply.body)


async def test_an_address_and_a_cpf_belong_to_one_user(running_bank: RunningBank) -> None:
    cpf = CPF().generate()
    await running_bank.client.run("Register", input={**GOOD, "cpf": cpf})
    same_email = await running_bank.client.run(
        "Register", input={**GOOD, "email": "JOAO@example.com", "cpf": CPF().generate()}
    )
    same_cpf = await running_bank.client.run("Register", input={**GOOD, "email": "x@example.com", "cpf": cpf})
    new = await running_bank.client.run("Register", input={**GOOD, "email": "y@example.com", "cpf": CPF().generate()})
    answers = [
        (reply.status, reply.body, {name for name in reply.headers if name != "Date"})
        for reply in (same_email, same_cpf, new)
    ]
    # Nobody learns that an address or a CPF is a customer's.
    assert answers == [answers[-1]] * 3
    assert new.data["register"] == {"accepted": True, "userErrors": []}
    async with running_bank.bank.database.connection() as connection:
        assert await connection.fetchval("select count(*) from users") == 2


async def test_a_wrong_password_and_an_unknown_address_have_the_same_answer(running_bank: RunningBank) -> None:
    await running_bank.client.person(email="ana@example.com")
    wrong = await _login(running_bank.client, "ana@example.com", "not this one either")
    unknown = await _login(running_bank.client, "nobody@example.com")
    assert wrong == unknown
    assert wrong["userErrors"][0]["code"] == "INVALID_CREDENTIALS"


async def test_a_used_refresh_token_closes_the_session_once_its_successor_was_used(running_bank: RunningBank) -> None:
    await running_bank.client.person(email="ana@example.com")
    first = (await _login(running_bank.client, "ana@example.com"))["tokens"]
    second = (await _refresh(running_bank.client, first["refreshToken"]))["tokens"]
    third = (await _refresh(running_bank.client, second["refreshToken"]))["tokens"]
    person = Client(running_bank.client.http, running_bank.client.url, third["accessToken"])
    assert (await person.run("Me")).status == 200
    assert (await _refresh(running_bank.client, first["refreshToken"]))["userErrors"][0][
        "code"
    ] == "INVALID_REFRESH_TOKEN"
    assert (await person.run("Me")).code == "UNAUTHENTICATED"
    assert (await _refresh(running_bank.client, third["refreshToken"]))["tokens"] is None


async def test_a_closed_session_is_not_accepted_even_for_cached_responses(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    account = await person.account()
    assert await person.balance(account["id"]) == "0.00"
    assert (await person.run("Logout")).data["logout"]["closed"]
    for operation, variables in (("Me", {}), ("AccountBalance", {"id": account["id"]})):
        reply = await person.run(operation, **variables)
        assert (reply.status, reply.code) == (401, "UNAUTHENTICATED")
    reply = await person.transfer(account["id"], account["number"], "1.00", "t")
    assert reply.code == "UNAUTHENTICATED"


async def test_the_loss_of_redis_opens_no_closed_session(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    await person.run("Logout")
    await running_bank.bank.cache_server.client.flushdb()
    assert (await person.run("Me")).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "x" * 5_000, "eyJhbGciOiJub25lIn0.e30."])
async def test_a_token_that_the_bank_did_not_issue_is_refused(running_bank: RunningBank, token: str) -> None:
    stranger = Client(running_bank.client.http, running_bank.client.url, token)
    assert (await stranger.run("Me")).code == "UNAUTHENTICATED"


async def test_a_slow_read_of_a_session_does_not_open_it_again_after_the_logout(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, marks = await running_bank.client.person(), running_bank.bank.marks
    noted, late = asyncio.Event(), []
    mark_open = marks.mark_open

    async def later(session_id: UUID, asked_at: datetime) -> None:
        late.append((session_id, asked_at))
        noted.set()

    monkeypatch.setattr(marks, "mark_open", later)
    assert (await person.run("Me")).status == 200
    async with asyncio.timeout(5):
        await noted.wait()
    monkeypatch.undo()
    assert (await person.run("Logout")).data["logout"]["closed"]
    await mark_open(*late[0])
    kept = await running_bank.bank.values.session_mark(late[0][0])
    assert kept is not None
    assert kept.startswith("closed ")
    assert (await person.run("Me")).code == "UNAUTHENTICATED"
