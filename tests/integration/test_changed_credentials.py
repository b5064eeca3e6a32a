"""Changes of password and address: the password is asked for again, other sessions end, and a login rehashes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from argon2 import PasswordHasher

from bank.identity.passwords import PasswordMatch, Passwords
from bank.invariants.verify import verify
from tests.integration.api import PASSWORD, Client, Reply, RunningBank, serving, settings_for
from tests.integration.encryption import plain_rows

EMAIL, NEW_EMAIL = "ana@example.com", "ana.lima@example.com"
NEW_PASSWORD = "nine green lamps in winter"
CHANGE = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
MOVE = {"newEmail": NEW_EMAIL, "password": PASSWORD}


@pytest.fixture
async def workers(database_url: str, redis_url: str) -> AsyncIterator[list[RunningBank]]:
    settings = settings_for(database_url, redis_url)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(settings)) for _ in range(2)]


async def _log_in(bank: RunningBank, email: str, password: str) -> Any:
    return (await bank.client.run("Login", input={"email": email, "password": password})).data["login"]


async def _change(client: Client, **more: Any) -> Any:
    return (await client.run("ChangePassword", input={**CHANGE, **more})).data["changePassword"]


async def _move(client: Client, **more: Any) -> Any:
    return (await client.run("ChangeEmail", input={**MOVE, **more})).data["changeEmail"]


def _code(payload: Any) -> tuple[str, list[str]]:
    [error] = payload["userErrors"]
    return error["code"], error["field"]


async def _count(bank: RunningBank, event_type: str) -> int:
    async with bank.bank.database.connection() as connection:
        count: int = await connection.fetchval("select count(*) from event_store where event_type = $1", event_type)
    return count


async def test_only_the_new_password_opens_a_session(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    assert await _change(ana) == {"changed": True, "endedSessions": 0, "userErrors": []}
    assert (await _log_in(running_bank, EMAIL, PASSWORD))["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
    assert (await _log_in(running_bank, EMAIL, NEW_PASSWORD))["tokens"]
    await running_bank.caught_up()
    assert not (await verify(running_bank.bank.settings.database_url)).findings


@pytest.mark.parametrize("operation", ["ChangePassword", "ChangeEmail"])
async def test_the_other_sessions_end_on_every_worker_within_a_second(
    workers: list[RunningBank], operation: str
) -> None:
    here = await workers[0].client.person(email=EMAIL)
    other = (await _log_in(workers[1], EMAIL, PASSWORD))["tokens"]
    there = Client(workers[1].client.http, workers[1].client.url, other["accessToken"])
    assert (await there.run("Me")).status == 200
    given = CHANGE if operation == "ChangePassword" else MOVE
    [payload] = (await here.run(operation, input=given)).data.values()
    changed_at = time.monotonic()
    assert payload == {"changed": True, "endedSessions": 1, "userErrors": []}
    while (await there.run("Me")).status == 200:
        assert time.monotonic() - changed_at < 1
    refreshed = await there.run(
        "RefreshSession", input={"refreshToken": other["refreshToken"]}, headers={"Authorization": ""}
    )
    assert refreshed.body["data"]["refreshSession"]["tokens"] is None
    assert (await here.run("Me")).status == 200


async def test_the_other_sessions_stay_if_the_user_wants_it(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    other = await running_bank.client.login(EMAIL)
    assert (await _move(ana, endOtherSessions=False))["endedSessions"] == 0
    assert (await _change(ana, endOtherSessions=False))["endedSessions"] == 0
    assert (await other.run("Me")).status == 200


async def test_a_wrong_password_changes_nothing_and_counts_as_a_failed_login(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    refused = await _change(ana, currentPassword="not this one, I fear")
    assert _code(refused) == ("INVALID_CREDENTIALS", ["input", "currentPassword"])
    assert not refused["changed"]
    assert _code(await _move(ana, password="not this one, I fear")) == ("INVALID_CREDENTIALS", ["input", "password"])
    assert await _count(running_bank, "LoginFailedEvent") == 2
    assert (await _log_in(running_bank, EMAIL, PASSWORD))["tokens"]


@pytest.mark.parametrize("weak", ["short", "password12345", "Maria da Silva 12345", "ana@example.com!"])
async def test_a_new_password_follows_the_rules_of_the_registration(running_bank: RunningBank, weak: str) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    assert _code(await _change(ana, newPassword=weak)) == ("WEAK_PASSWORD", ["input", "newPassword"])


async def test_one_of_two_changes_with_the_same_password_wins(workers: list[RunningBank]) -> None:
    ana = await workers[0].client.person(email=EMAIL)
    clients = [Client(worker.client.http, worker.client.url, ana.token) for worker in workers]
    news = [NEW_PASSWORD, "a kettle for the long evening"]
    results = await asyncio.gather(
        *(_change(client, newPassword=new) for client, new in zip(clients, news, strict=True))
    )
    assert sorted(result["changed"] for result in results) == [False, True]
    opened = [(await _log_in(workers[0], EMAIL, new))["tokens"] is not None for new in news]
    assert opened == [result["changed"] for result in results]


async def test_a_changed_address_is_shown_at_once_and_is_the_one_to_log_in_with(running_bank: RunningBank) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    assert (await ana.run("Me")).data["me"]["email"] == EMAIL
    assert (await _move(ana, newEmail=" ANA.LIMA@example.com"))["changed"]
    assert (await ana.run("Me")).data["me"]["email"] == NEW_EMAIL
    assert (await _log_in(running_bank, EMAIL, PASSWORD))["tokens"] is None
    assert (await _log_in(running_bank, NEW_EMAIL, PASSWORD))["tokens"]
    async with running_bank.bank.database.connection() as connection:
        statement = "select event_data from event_store where event_type = 'UserProfileChangedEvent'"
        [stored] = await connection.fetch(statement)
        [plain] = await plain_rows(connection, running_bank.bank.cipher, statement)
    assert EMAIL not in stored["event_data"]
    assert EMAIL in str(plain["event_data"])
    await running_bank.caught_up()
    assert not (await verify(running_bank.bank.settings.database_url)).findings


@pytest.mark.parametrize(
    ("address", "code"),
    [("no address", "INVALID_INPUT"), ("\u0430na@example.com", "INVALID_INPUT"), (EMAIL, "INVALID_INPUT")],
)
async def test_a_new_address_follows_the_rules_of_the_registration(
    running_bank: RunningBank, address: str, code: str
) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    assert _code(await _move(ana, newEmail=address)) == (code, ["input", "newEmail"])


async def test_the_address_of_somebody_else_is_refused(running_bank: RunningBank) -> None:
    await running_bank.client.person(email=NEW_EMAIL)
    ana = await running_bank.client.person(email=EMAIL)
    assert _code(await _move(ana)) == ("EMAIL_TAKEN", ["input", "newEmail"])
    assert (await ana.run("Me")).data["me"]["email"] == EMAIL


async def _use_older_parameters(bank: RunningBank) -> str:
    """Store the password as an earlier version with cheaper parameters would have stored it; return the hash."""
    older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    async with bank.bank.database.connection() as connection:
        await connection.execute("update users set password_hash = $1", older)
    return older


async def _hash(bank: RunningBank) -> str:
    async with bank.bank.database.connection() as connection:
        stored: str = await connection.fetchval("select password_hash from users")
    return stored


async def test_logins_replace_a_hash_with_older_parameters_once(workers: list[RunningBank]) -> None:
    await workers[0].client.person(email=EMAIL)
    await _use_older_parameters(workers[0])
    logins = await asyncio.gather(*(_log_in(workers[number % 2], EMAIL, PASSWORD) for number in range(8)))
    assert all(login["tokens"] for login in logins)
    assert "m=19456,t=2,p=1" in await _hash(workers[0])
    assert await _count(workers[0], "UserProfileChangedEvent") == 1
    await workers[0].caught_up()
    assert not (await verify(workers[0].bank.settings.database_url)).findings


async def test_a_login_with_the_old_password_loses_against_a_change_at_the_same_time(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await running_bank.client.person(email=EMAIL)
    await _use_older_parameters(running_bank)
    passwords, interrupted = running_bank.bank.passwords, asyncio.Event()
    whole = Passwords.verify

    async def verify_and_change(*arguments: Any, **options: Any) -> PasswordMatch | None:
        match = await whole(passwords, *arguments, **options)
        if not interrupted.is_set():
            interrupted.set()
            assert (await _change(ana))["changed"]
        return match

    monkeypatch.setattr(passwords, "verify", verify_and_change)
    login = await _log_in(running_bank, EMAIL, PASSWORD)
    assert login["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
    assert interrupted.is_set()
    assert (await _log_in(running_bank, EMAIL, NEW_PASSWORD))["tokens"]


async def test_a_change_without_a_session_is_refused(running_bank: RunningBank) -> None:
    replies: list[Reply] = [
        await running_bank.client.run("ChangePassword", input=CHANGE),
        await running_bank.client.run("ChangeEmail", input=MOVE),
    ]
    assert [reply.code for reply in replies] == ["UNAUTHENTICATED"] * 2
