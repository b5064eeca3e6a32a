"""Second factors: enrolment, logins with a code, recovery codes, and the end. Each code works once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt

from bank.identity.keyring import key_of_secret
from bank.identity.reset_second_factor import reset_second_factor, set_up_second_factor
from bank.identity.roles import change_role
from bank.invariants.verify import verify
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.authenticator import Authenticator, begin_enrolment, enrol
from tests.integration.encryption import TOKEN_SECRET
from tests.integration.payers import SetClock

EMAIL = "ana@example.com"
INVALID, REQUIRED, MISSING = "INVALID_SECOND_FACTOR", "SECOND_FACTOR_REQUIRED", "SECOND_FACTOR_NOT_ENROLLED"
STEP = timedelta(seconds=30)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def bank(database_url: str, redis_url: str, clock: SetClock) -> AsyncIterator[RunningBank]:
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        yield bank


async def _log_in(client: Client, code: str | None = None, *, email: str = EMAIL, password: str = PASSWORD) -> Any:
    given = {"email": email, "password": password, "secondFactorCode": code}
    return (await client.run("Login", input=given)).data["login"]


async def _log_in_once(client: Client, code: str) -> Any:
    """Log in, again after an answer that says that nothing was done."""
    given = {"email": EMAIL, "password": PASSWORD, "secondFactorCode": code}
    while True:
        reply = await client.run("Login", input=given)
        if "errors" not in reply.body:
            return reply.data["login"]
        assert reply.code in {"OVERLOADED", "UNAVAILABLE"}, reply.body


async def _send(client: Client, operation: str, **given: Any) -> Any:
    [payload] = (await client.run(operation, input=given)).data.values()
    return payload


def _code(payload: Any) -> str:
    return "OK" if not payload["userErrors"] else str(payload["userErrors"][0]["code"])


def _claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, key_of_secret(TOKEN_SECRET).key).claims)


async def _failures(bank: RunningBank) -> int:
    async with bank.bank.database.connection() as connection:
        count: int = await connection.fetchval("select count(*) from event_store where event_type = 'LoginFailedEvent'")
    return count


async def _person(bank: RunningBank) -> tuple[Client, Authenticator]:
    client = await bank.client.person(email=EMAIL)
    return client, await enrol(bank, client)


async def _is_consistent(bank: RunningBank) -> bool:
    await bank.caught_up()
    findings = (await verify(bank.bank.settings.database_url)).findings
    assert not findings, findings
    return True


async def test_a_login_needs_a_code_after_the_confirmation(bank: RunningBank, clock: SetClock) -> None:
    ana = await bank.client.person(email=EMAIL)
    authenticator = await begin_enrolment(bank, ana)
    assert _code(await _log_in(bank.client)) == "OK"  # the secret is not confirmed
    confirmed = await _send(ana, "ConfirmSecondFactor", code=authenticator.code())
    assert len(confirmed["recoveryCodes"]) == 10
    for code, expected in (
        (None, REQUIRED),
        ("", INVALID),
        ("000000", INVALID),
        ("no code", INVALID),
        (authenticator.code(), INVALID),  # the confirmation has used it
        (authenticator.code(1), "OK"),
        (authenticator.code(1), INVALID),
    ):
        assert (code, _code(await _log_in(bank.client, code))) == (code, expected)
    assert await _failures(bank) == 5
    assert _code(await _log_in(bank.client, authenticator.code(2), password="not this one, I fear")) == (
        "INVALID_CREDENTIALS"
    )
    clock.moment += STEP
    assert _code(await _log_in(bank.client, authenticator.code(1))) == "OK"
    assert await _is_consistent(bank)


@pytest.mark.parametrize(("steps", "expected"), [(-2, INVALID), (-1, "OK"), (0, "OK"), (1, "OK"), (2, INVALID)])
async def test_a_clock_may_be_one_step_early_or_late(
    bank: RunningBank, clock: SetClock, steps: int, expected: str
) -> None:
    _, authenticator = await _person(bank)
    clock.moment += timedelta(minutes=5)
    assert _code(await _log_in(bank.client, authenticator.code(steps))) == expected


@pytest.mark.parametrize("kind", ["app", "recovery"])
async def test_20_parallel_logins_with_one_code_open_one_session(database_url: str, redis_url: str, kind: str) -> None:
    async with AsyncExitStack() as stack:
        settings = settings_for(database_url, redis_url)
        workers = [await stack.enter_async_context(serving(settings)) for _ in range(2)]
        _, authenticator = await _person(workers[0])
        code = authenticator.code(1) if kind == "app" else authenticator.recovery_codes[3]
        logins = await asyncio.gather(*(_log_in_once(workers[number % 2].client, code) for number in range(20)))
        codes = [_code(login) for login in logins]
        assert codes.count("OK") == 1
        # After five wrong codes, the others are refused during a delay.
        assert set(codes) == {"OK", INVALID, "INVALID_CREDENTIALS"}
        assert await _failures(workers[0]) == 19
        async with workers[0].bank.database.connection() as connection:
            assert await connection.fetchval("select count(*) from sessions") == 2
        assert await _is_consistent(workers[0])


async def test_a_recovery_code_works_once_until_the_codes_are_renewed(bank: RunningBank, clock: SetClock) -> None:
    ana, authenticator = await _person(bank)
    first, second = authenticator.recovery_codes[:2]
    assert _code(await _log_in(bank.client, first.lower().replace("-", " "))) == "OK"
    assert _code(await _log_in(bank.client, first)) == INVALID
    clock.moment += STEP
    renewed = await _send(ana, "RenewRecoveryCodes", code=authenticator.code())
    assert len(renewed["recoveryCodes"]) == 10
    assert _code(await _log_in(bank.client, second)) == INVALID
    assert _code(await _log_in(bank.client, renewed["recoveryCodes"][9])) == "OK"
    assert _code(await _send(ana, "RenewRecoveryCodes", code=authenticator.code())) == INVALID
    assert await _is_consistent(bank)


async def test_wrong_codes_delay_the_codes_of_their_session_alone(bank: RunningBank, clock: SetClock) -> None:
    ana, authenticator = await _person(bank)
    elsewhere = Client(
        bank.client.http, bank.client.url, (await _log_in(bank.client, authenticator.code(1)))["tokens"]["accessToken"]
    )
    for _ in range(6):
        assert _code(await _send(ana, "RenewRecoveryCodes", code="000000")) == INVALID
    right = authenticator.recovery_codes
    assert _code(await _send(ana, "RenewRecoveryCodes", code=right[0])) == INVALID
    # The right password does not make further guesses free.
    assert _code(await _send(ana, "EnrolSecondFactor", password=PASSWORD)) == REQUIRED
    assert _code(await _send(ana, "DisableSecondFactor", password=PASSWORD, code=right[0])) == INVALID
    assert _code(await _send(ana, "EnrolSecondFactor", password=PASSWORD, code=right[0])) == INVALID
    assert await _failures(bank) == 9
    renewed = (await _send(elsewhere, "RenewRecoveryCodes", code=right[0]))["recoveryCodes"]
    clock.moment += timedelta(seconds=1)
    assert _code(await _send(ana, "RenewRecoveryCodes", code=renewed[0])) == "OK"
    for _ in range(5):
        assert _code(await _send(ana, "RenewRecoveryCodes", code="000000")) == INVALID
    assert await _is_consistent(bank)


async def test_an_unlock_ends_the_delay_of_codes_too(bank: RunningBank) -> None:
    ana, authenticator = await _person(bank)
    for _ in range(6):
        assert _code(await _send(ana, "RenewRecoveryCodes", code="000000")) == INVALID
    exported = (await ana.run("ExportMyData", input={"format": "JSON"})).data["exportMyData"]["document"]
    assert [row["failures"] for row in json.loads(exported)["login_failures"]] == [6]
    assert _code(await _send(ana, "RenewRecoveryCodes", code=authenticator.recovery_codes[0])) == INVALID
    staff = await bank.staff()
    assert (await staff.run("UnlockLogin", input={"email": EMAIL})).data["unlockLogin"]["unlocked"]
    assert _code(await _send(ana, "RenewRecoveryCodes", code=authenticator.recovery_codes[0])) == "OK"


async def test_an_enrolment_needs_the_password_and_its_first_code_within_15_minutes(
    bank: RunningBank, clock: SetClock
) -> None:
    ana = await bank.client.person(email=EMAIL)
    assert _code(await _send(ana, "ConfirmSecondFactor", code="287082")) == MISSING
    assert _code(await _send(ana, "EnrolSecondFactor", password="not this one, I fear")) == "INVALID_CREDENTIALS"
    authenticator = await begin_enrolment(bank, ana)
    assert _code(await _send(ana, "ConfirmSecondFactor", code=authenticator.recovery_codes or "1")) == INVALID
    clock.moment += timedelta(minutes=14, seconds=50)
    # The access token is valid for 15 minutes, too.
    assert (await _log_in(bank.client))["tokens"]
    ana = await bank.client.login(EMAIL)
    clock.moment += timedelta(seconds=11)
    assert _code(await _send(ana, "ConfirmSecondFactor", code=authenticator.code())) == MISSING
    assert _code(await _log_in(bank.client)) == "OK"
    assert await _is_consistent(bank)


async def test_a_new_second_factor_replaces_the_old_one_when_it_is_confirmed(
    bank: RunningBank, clock: SetClock
) -> None:
    ana, old = await _person(bank)
    assert _code(await _send(ana, "EnrolSecondFactor", password=PASSWORD)) == REQUIRED
    assert _code(await _send(ana, "EnrolSecondFactor", password=PASSWORD, code=old.code())) == INVALID
    enrolled = await _send(ana, "EnrolSecondFactor", password=PASSWORD, code=old.recovery_codes[0])
    new = Authenticator(enrolled["secret"], clock.now)
    assert _code(await _log_in(bank.client, new.code())) == INVALID
    assert _code(await _log_in(bank.client, old.code(1))) == "OK"
    assert _code(await _send(ana, "ConfirmSecondFactor", code=new.code())) == "OK"
    clock.moment += 2 * STEP
    assert _code(await _log_in(bank.client, old.code())) == INVALID
    assert _code(await _log_in(bank.client, old.recovery_codes[1])) == INVALID
    assert _code(await _log_in(bank.client, new.code())) == "OK"
    assert await _is_consistent(bank)


async def test_a_second_factor_ends_with_password_and_code(bank: RunningBank, clock: SetClock) -> None:
    ana, authenticator = await _person(bank)
    clock.moment += STEP
    code = authenticator.code()
    given = {"password": "not this one, I fear", "code": code}
    assert _code(await _send(ana, "DisableSecondFactor", **given)) == "INVALID_CREDENTIALS"
    assert _code(await _send(ana, "DisableSecondFactor", password=PASSWORD, code="000000")) == INVALID
    assert await _send(ana, "DisableSecondFactor", password=PASSWORD, code=code) == {
        "disabled": True, "userErrors": [],
    }  # fmt: skip
    assert _code(await _log_in(bank.client)) == "OK"
    assert _code(await _send(ana, "DisableSecondFactor", password=PASSWORD, code=code)) == MISSING
    assert await _is_consistent(bank)


async def test_staff_keep_their_second_factor(bank: RunningBank) -> None:
    _, authenticator = await _person(bank)
    await change_role(bank.bank.uow_factory, email=EMAIL, role="OPERATOR")
    login = await _log_in(bank.client, authenticator.code(1))
    ana = Client(bank.client.http, bank.client.url, login["tokens"]["accessToken"])
    given = {"password": PASSWORD, "code": authenticator.recovery_codes[0]}
    assert _code(await _send(ana, "DisableSecondFactor", **given)) == REQUIRED


async def test_a_short_password_needs_a_second_factor(bank: RunningBank) -> None:
    short = "xK9#mQ2$"
    ana = await bank.client.person(email=EMAIL)
    change = {"currentPassword": PASSWORD, "newPassword": short}
    assert _code(await _send(ana, "ChangePassword", **change)) == "WEAK_PASSWORD"
    authenticator = await enrol(bank, ana)
    assert _code(await _send(ana, "ChangePassword", **{**change, "newPassword": short[1:]})) == "WEAK_PASSWORD"
    assert _code(await _send(ana, "ChangePassword", **change)) == "OK"
    assert _code(await _log_in(bank.client, authenticator.code(1), password=short)) == "OK"
    given = {"password": short, "code": authenticator.recovery_codes[0]}
    assert _code(await _send(ana, "DisableSecondFactor", **given)) == "WEAK_PASSWORD"
    longer = {"currentPassword": short, "newPassword": "nine green lamps"}
    assert _code(await _send(ana, "ChangePassword", **longer)) == "OK"
    assert _code(await _send(ana, "DisableSecondFactor", **{**given, "password": "nine green lamps"})) == "OK"
    assert await _is_consistent(bank)


async def test_the_access_token_has_the_methods_and_a_refresh_keeps_them(bank: RunningBank, clock: SetClock) -> None:
    ana = await bank.client.person(email=EMAIL)
    assert ana.token is not None
    assert _claims(ana.token)["amr"] == ["pwd"]
    authenticator = await enrol(bank, ana)
    proved_at = int(clock.now().timestamp())
    assert _claims(ana.token)["amr"] == ["pwd", "otp", "mfa"]
    login = await _log_in(bank.client, authenticator.code(1))
    clock.moment += timedelta(minutes=2)
    refreshed = await _send(bank.client, "RefreshSession", refreshToken=login["tokens"]["refreshToken"])
    claims = _claims(refreshed["tokens"]["accessToken"])
    assert (claims["amr"], claims["second_factor_at"]) == (["pwd", "otp", "mfa"], proved_at)


async def test_no_table_has_a_secret_or_a_code_in_clear(bank: RunningBank) -> None:
    ana, authenticator = await _person(bank)
    await _log_in(bank.client, authenticator.recovery_codes[0])
    exported = (await ana.run("ExportMyData", input={"format": "JSON"})).data["exportMyData"]["document"]
    await bank.caught_up()
    async with bank.bank.database.connection() as connection:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        dump = exported
        for table in tables:
            if table["tablename"] == "retained_identities":
                continue  # the bank itself may not read it, and it has nothing of a user who is not erased
            rows = await connection.fetch(f"select t::text as row from {table['tablename']} t")
            dump += "\n".join(row["row"] for row in rows)
        stored = await connection.fetchval("select secret from second_factors")
    assert "SecondFactorVerifiedEvent" in dump
    codes = [code for written in authenticator.recovery_codes for code in (written, written.replace("-", ""))]
    assert [text for text in (authenticator.secret, *codes) if text in dump] == []
    assert stored not in exported


async def test_an_erased_user_has_no_second_factor(bank: RunningBank) -> None:
    ana, _ = await _person(bank)
    assert (await ana.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    async with bank.bank.database.connection() as connection:
        assert await connection.fetchval("select count(*) from second_factors") == 0
    assert await _is_consistent(bank)


async def test_an_operator_sets_a_second_factor_up_and_takes_it_away(bank: RunningBank, clock: SetClock) -> None:
    ana = await bank.client.person(email=EMAIL)
    made = await set_up_second_factor(bank.bank.uow_factory, email=EMAIL)
    assert made is not None
    assert (await ana.run("Me")).code == "UNAUTHENTICATED"
    assert _code(await _log_in(bank.client)) == REQUIRED
    assert _code(await _log_in(bank.client, Authenticator(made.secret, clock.now).code())) == "OK"
    assert _code(await _log_in(bank.client, made.recovery_codes[0])) == "OK"
    assert await reset_second_factor(bank.bank.uow_factory, email=EMAIL) is True
    assert await reset_second_factor(bank.bank.uow_factory, email=EMAIL) is False
    assert await reset_second_factor(bank.bank.uow_factory, email="nobody@example.com") is None
    assert await set_up_second_factor(bank.bank.uow_factory, email="nobody@example.com") is None
    assert _code(await _log_in(bank.client)) == "OK"
    assert await _is_consistent(bank)
