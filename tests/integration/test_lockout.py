"""Failed logins delay further ones, also without Redis, and nobody elsewhere locks out a known device."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from prometheus_client import REGISTRY

from bank.cli.main import main
from bank.events.types.sessions import ACCOUNT, DEVICE, SOURCE
from bank.identity import hashing, passwords
from bank.identity.devices import DEVICES_PER_USER_MAX, device_digest
from bank.identity.failed_logins import Subject, record_failure
from bank.identity.lockout import POLICIES, Bucket
from bank.identity.log_in import log_in
from bank.identity.passwords import Passwords
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.encryption import MASTER_KEY
from tests.integration.payers import SetClock

EMAIL, NOBODY, WRONG = "ana@example.com", "nobody@example.com", "not this one, I fear"
FREE = POLICIES[ACCOUNT].free


class Logins:
    """A bank whose clock can be set, and Ana, whose login is attacked."""

    def __init__(self, bank: RunningBank, clock: SetClock) -> None:
        self.bank, self.clock = bank, clock

    async def attempt(
        self, password: str = PASSWORD, email: str = EMAIL, device: str | None = None, address: str = "192.0.2.1"
    ) -> dict[str, Any]:
        given = {"email": email, "password": password}
        given |= {"deviceToken": device} if device else {}
        reply = await self.bank.client.run("Login", input=given, headers={"X-Forwarded-For": address})
        payload: dict[str, Any] = reply.data["login"]
        return payload

    async def succeeds(self, **more: Any) -> bool:
        return (await self.attempt(**more))["tokens"] is not None

    async def fail(self, times: int, **more: Any) -> None:
        for _ in range(times):
            assert not await self.succeeds(password=WRONG, **more)

    async def lock(self, **more: Any) -> None:
        """Fail once more than is free; the delay of a second begins."""
        await self.fail(FREE + 1, **more)

    async def device(self) -> str:
        return str((await self.attempt())["deviceToken"])

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.bank.bank.database.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def failures(self, kind: str = ACCOUNT) -> list[int]:
        rows = await self.fetch("select failures from login_failures where kind = $1 order by 1", kind)
        return [row["failures"] for row in rows]

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        rows = await self.fetch(
            "select event_data from event_store where event_type = $1 order by position", event_type
        )
        return [json.loads(row["event_data"]) for row in rows]


@pytest.fixture
async def logins(database_url: str, redis_url: str) -> AsyncIterator[Logins]:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url, trusted_proxies="127.0.0.1"), clock=clock) as bank:
        await bank.client.person(email=EMAIL)
        logins = Logins(bank, clock)
        await logins.fetch("delete from login_devices")
        yield logins


async def test_the_right_password_waits_for_the_end_of_a_delay(logins: Logins) -> None:
    await logins.fail(FREE)
    assert await logins.succeeds(), "five failures are free, and a login forgets them"
    assert await logins.failures() == []
    await logins.lock()
    assert not await logins.succeeds(address="198.51.100.9")
    logins.clock.moment += timedelta(seconds=1)
    assert await logins.succeeds()
    assert await logins.failures() == []


async def test_each_failure_doubles_the_delay_and_attempts_during_it_do_not_count(logins: Logins) -> None:
    await logins.lock()
    for seconds in (1, 2, 4):
        await logins.fail(3)
        logins.clock.moment += timedelta(seconds=seconds) - timedelta(microseconds=1)
        assert not await logins.succeeds()
        logins.clock.moment += timedelta(microseconds=1)
        await logins.fail(1)
    assert await logins.failures() == [FREE + 4]
    locked = [event["locked"] for event in await logins.events("LoginFailedEvent")]
    assert (locked.count(False), locked.count(True)) == (FREE + 4, 12)


async def test_somebody_elsewhere_does_not_lock_out_a_known_device(logins: Logins) -> None:
    device = await logins.device()
    await logins.lock()
    assert not await logins.succeeds(address="198.51.100.9"), "an unknown device waits"
    assert await logins.succeeds(device=device, address="198.51.100.9")
    assert await logins.failures() == [FREE + 1], "the success on a known device forgives the attacker nothing"


async def test_failures_on_a_known_device_delay_this_device_alone(logins: Logins) -> None:
    stolen, own = await logins.device(), await logins.device()
    assert stolen != own
    await logins.lock(device=stolen)
    assert (await logins.failures(DEVICE), await logins.failures()) == ([FREE + 1], [])
    assert not await logins.succeeds(device=stolen)
    assert await logins.succeeds(device=own)
    assert await logins.succeeds()
    logins.clock.moment += timedelta(seconds=1)
    assert await logins.succeeds(device=stolen)
    assert await logins.failures(DEVICE) == []


async def test_the_device_of_another_user_is_an_unknown_one(logins: Logins) -> None:
    bia = "bia@example.com"
    await logins.bank.client.person(email=bia)
    device = (await logins.attempt(email=bia))["deviceToken"]
    for token in (device, "made up", "x" * 5_000, "\ud83d\ude00"):
        await logins.fail(1, device=token)
    assert (await logins.failures(DEVICE), await logins.failures()) == ([], [4])


async def test_a_known_device_keeps_its_token_until_half_a_year_after_its_last_login(logins: Logins) -> None:
    device = await logins.device()
    for days in (182, 182):
        logins.clock.moment += timedelta(days=days)
        assert (await logins.attempt(device=device))["deviceToken"] == device
    logins.clock.moment += timedelta(days=183)
    assert (await logins.attempt(device=device))["deviceToken"] != device
    news = [event["new_device"] for event in await logins.events("UserLoggedInEvent")]
    assert news == [True, True, False, False, True]


async def test_a_user_has_a_bounded_number_of_devices(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.identity.devices.DEVICES_PER_USER_MAX", 2)
    assert DEVICES_PER_USER_MAX > 10
    tokens = []
    for _ in range(3):
        tokens.append(await logins.device())
        logins.clock.moment += timedelta(seconds=1)
    stored = {row["digest"] for row in await logins.fetch("select digest from login_devices")}
    assert stored == {device_digest(token) for token in tokens[1:]}


async def test_a_delay_survives_the_loss_of_redis_and_a_restart(
    logins: Logins, database_url: str, redis_url: str
) -> None:
    await logins.lock()
    await logins.bank.bank.cache_server.client.flushdb()
    assert not await logins.succeeds()
    settings = settings_for(database_url, redis_url, trusted_proxies="127.0.0.1")
    async with serving(settings, clock=logins.clock) as another:
        assert not await Logins(another, logins.clock).succeeds()


async def test_failures_of_many_accounts_delay_a_network(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, SOURCE, replace(POLICIES[SOURCE], free=3))
    for number in range(4):
        await logins.fail(1, email=f"nobody{number}@example.com", address=f"2001:db8::{number}")
    assert not await logins.succeeds(address="2001:db8::ffff"), "the whole /64 waits"
    assert await logins.succeeds(address="2001:db8:1::1")
    [locked] = await logins.events("LoginLockedEvent")
    assert (locked["bucket"], locked["subject_id"], locked["address_digest"], locked["failures"]) == (
        SOURCE, None, None, 4
    )  # fmt: skip


async def test_a_known_device_is_not_delayed_by_others_in_its_network(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await logins.device()
    monkeypatch.setitem(POLICIES, SOURCE, replace(POLICIES[SOURCE], free=0))
    await logins.fail(1, email=NOBODY)
    assert not await logins.succeeds()
    assert await logins.succeeds(device=device)


async def test_a_network_without_rate_limits_has_no_delay(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url, rate_limit_exempt="127.0.0.0/8")) as bank:
        logins = Logins(bank, SetClock())
        await logins.fail(1, email=NOBODY)
        assert (await logins.failures(SOURCE), await logins.failures()) == ([], [1])


async def test_each_of_fifty_failures_at_once_counts(logins: Logins) -> None:
    bank, bucket = logins.bank.bank, Bucket(ACCOUNT, b"somebody")

    # More at once would only wait for a connection.
    connections = asyncio.Semaphore(8)

    async def fail() -> None:
        async with connections, bank.uow_factory.begin() as uow:
            await record_failure(uow, [bucket], Subject(user_id=None, address_digest="0" * 32), counts=True)

    await asyncio.gather(*(fail() for _ in range(50)))
    assert await logins.failures() == [50]
    assert len(await logins.events("LoginLockedEvent")) == 11


async def test_fifty_wrong_passwords_at_once_are_each_counted_or_not_compared(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, the last of them waits longer.
    monkeypatch.setattr(hashing, "WAIT_MAX_S", 60.0)
    attempts = [logins.attempt(password=WRONG) for _ in range(49)]
    replies = await asyncio.gather(*attempts, logins.attempt())
    assert len({json.dumps(reply) for reply in replies if reply["tokens"] is None}) == 1
    compared = [event for event in await logins.events("LoginFailedEvent") if not event["locked"]]
    assert await logins.failures() == [len(compared)]
    assert FREE < len(compared) < FREE + 5, "the threads compare a few passwords at the same time, and no more"


async def test_the_right_password_is_refused_if_its_account_was_locked_meanwhile(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = Passwords.verify

    async def slowly(self: Passwords, find_hash: Any, password: str, *, account: str) -> Any:
        matches = await verify(self, find_hash, password, account=account)
        if password == PASSWORD:
            await logins.lock()
        return matches

    monkeypatch.setattr(Passwords, "verify", slowly)
    assert not await logins.succeeds()
    assert [event["locked"] for event in await logins.events("LoginFailedEvent")] == [False] * (FREE + 1) + [True]
    assert await logins.failures() == [FREE + 1]


async def test_fifty_right_passwords_at_once_are_all_accepted(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "WAIT_MAX_S", 60.0)
    assert all(await asyncio.gather(*(logins.succeeds() for _ in range(50))))


async def test_every_longer_delay_is_recorded_once_and_counted(logins: Logins) -> None:
    before = REGISTRY.get_sample_value("bank_logins_locked_total", {"bucket": "account"}) or 0
    await logins.lock()
    await logins.fail(2)
    logins.clock.moment += timedelta(seconds=1)
    await logins.fail(2)
    await logins.fail(FREE + 1, email=NOBODY)
    first, second, nobodys = await logins.events("LoginLockedEvent")
    [ana] = await logins.fetch("select id::text from users")
    assert [(one["subject_id"], one["failures"]) for one in (first, second)] == [(ana["id"], 6), (ana["id"], 7)]
    assert (nobodys["subject_id"], bool(nobodys["address_digest"])) == (None, True)
    assert REGISTRY.get_sample_value("bank_logins_locked_total", {"bucket": "account"}) == before + 3
    await logins.bank.caught_up()
    rows = await logins.fetch("select user_id::text from audit_logs where action = 'LOCK_LOGIN' order by number")
    assert [row["user_id"] for row in rows] == [ana["id"], ana["id"], None]


@dataclass
class Work:
    """The hashes and the statements of the test's own task."""

    hashes: int = 0
    statements: list[str] = field(default_factory=list)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    match = passwords._match

    def hashed(password_hash: str, password: str) -> Any:
        work.hashes += 1
        return match(password_hash, password)

    def counted(method: Any) -> Any:
        async def run(connection: Any, query: str, *arguments: Any, **options: Any) -> Any:
            task = asyncio.current_task()
            if task is not None and task.get_name() == "counted":
                work.statements.append(query)
            return await method(connection, query, *arguments, **options)

        return run

    monkeypatch.setattr(passwords, "_match", hashed)
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        monkeypatch.setattr(asyncpg.connection.Connection, name, counted(getattr(asyncpg.connection.Connection, name)))
    return work


async def test_an_unknown_address_a_wrong_password_and_a_locked_account_look_alike(logins: Logins, work: Work) -> None:
    """A benchmark compares the times; here, the responses and the work are the same."""
    locked = "bia@example.com"
    await logins.bank.client.person(email=locked)
    await logins.lock(email=locked)
    await logins.fail(1)
    await logins.fail(1, email=NOBODY)
    done = []
    for email, password in ((NOBODY, WRONG), (EMAIL, WRONG), (locked, WRONG), (locked, PASSWORD)):
        work.hashes, work.statements = 0, []

        async def attempt(email: str = email, password: str = password) -> Any:
            return await log_in(logins.bank.bank.sessions, email, password)

        refused = await asyncio.create_task(attempt(), name="counted")
        done.append((refused, work.hashes, work.statements))
    assert (done[0][1], len(done[0][2]) > 4) == (1, True)
    assert done == [done[0]] * 4
    given = [{"email": email, "password": WRONG} for email in (NOBODY, EMAIL, locked)]
    replies = [await logins.bank.client.run("Login", input=one) for one in given]
    assert len({(reply.status, json.dumps(reply.body), tuple(sorted(reply.headers))) for reply in replies}) == 1


async def test_a_session_that_asks_for_the_password_again_is_delayed_alone(logins: Logins) -> None:
    stolen, own = await logins.bank.client.login(EMAIL), await logins.bank.client.login(EMAIL)

    async def change(client: Client, current: str, new: str = "a raincoat for Wednesday") -> Any:
        given = {"currentPassword": current, "newPassword": new, "endOtherSessions": False}
        payload = (await client.run("ChangePassword", input=given)).data["changePassword"]
        return [error["code"] for error in payload["userErrors"]]

    for _ in range(FREE + 1):
        assert await change(stolen, WRONG) == ["INVALID_CREDENTIALS"]
    assert await change(stolen, PASSWORD) == ["INVALID_CREDENTIALS"]
    assert (await logins.failures("SESSION"), await logins.failures()) == ([FREE + 1], [])
    assert await logins.succeeds()
    assert await change(own, PASSWORD) == []
    logins.clock.moment += timedelta(seconds=1)
    assert await change(stolen, "a raincoat for Wednesday", PASSWORD) == []
    assert await logins.failures("SESSION") == []
    assert [event["bucket"] for event in await logins.events("LoginLockedEvent")] == ["SESSION"]


async def _staff(logins: Logins) -> Client:
    return await logins.bank.staff()


async def _unlock(client: Client, email: str) -> Any:
    return (await client.run("UnlockLogin", input={"email": email})).data["unlockLogin"]


async def test_staff_unlock_a_login_and_do_not_learn_if_it_exists(logins: Logins) -> None:
    staff, device = await _staff(logins), await logins.device()
    await logins.lock()
    await logins.lock(device=device)
    assert await _unlock(staff, NOBODY) == await _unlock(staff, " ANA@example.com") == {
        "unlocked": True, "userErrors": []
    }  # fmt: skip
    assert await logins.succeeds()
    assert await logins.succeeds(device=device)
    nobodys, anas = await logins.events("LoginUnlockedEvent")
    [row] = await logins.fetch("select id::text from users where role = 'CUSTOMER'")
    assert (nobodys["subject_id"], anas["subject_id"], anas["address_digest"]) == (None, row["id"], None)
    assert nobodys["address_digest"]


async def test_nobody_unlocks_their_own_login(logins: Logins) -> None:
    staff = await _staff(logins)
    email = (await staff.run("Me")).data["me"]["email"]
    await logins.lock(email=email)
    refused = await _unlock(staff, email)
    assert (refused["unlocked"], refused["userErrors"][0]["code"]) == (False, "OWN_ACCOUNT")
    assert (await _unlock(staff, "no address"))["userErrors"][0]["code"] == "INVALID_INPUT"
    assert not await logins.succeeds(email=email)


async def test_the_command_unlocks_a_login(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DATABASE_URL", logins.bank.bank.settings.database_url)

    async def run(email: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, main, ["users", "unlock", "--email", email])

    await logins.lock()
    done = await run("ANA@example.com")
    assert (done.exit_code, done.stdout) == (0, "The login of ana@example.com has no delay.\n"), done.output
    assert await logins.succeeds()
    assert (await run(NOBODY)).stderr == f"bank: There is no user {NOBODY}.\n"
    assert (await run("no address")).stderr == "bank: 'no address' is not an e-mail address.\n"
    assert [event["initiated_by"] for event in await logins.events("LoginUnlockedEvent")] == [None]


async def test_an_export_has_the_devices_and_failures_of_a_person(logins: Logins) -> None:
    ana = await logins.bank.client.login(EMAIL)
    await logins.fail(2)
    document = json.loads((await ana.run("ExportMyData", input={})).data["exportMyData"]["document"])
    assert len(document["login_devices"]) == 1
    assert [row["failures"] for row in document["login_failures"]] == [2]
    assert "digest" not in document["login_devices"][0] | document["login_failures"][0]


async def test_an_erasure_forgets_the_devices_and_failures_of_a_person(logins: Logins) -> None:
    await logins.fetch("delete from login_failures")
    device = (await logins.attempt())["deviceToken"]
    ana = await logins.bank.client.login(EMAIL)
    await logins.fail(1)
    await logins.fail(1, device=device)
    await logins.fail(1, email=NOBODY)
    assert (await ana.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    assert (await logins.failures(DEVICE), await logins.failures()) == ([], [1])
    assert await logins.fetch("select from login_devices") == []


async def test_old_failures_and_devices_are_deleted(logins: Logins) -> None:
    await logins.device()
    await logins.fail(1)
    assert (await logins.bank.bank.data_retention.run_once())["login_failures"] == 0
    logins.clock.moment += timedelta(days=2)
    assert (await logins.bank.bank.data_retention.count())["login_failures"] == 2
    done = await logins.bank.bank.data_retention.run_once()
    assert (done["login_failures"], done["login_devices"]) == (2, 0)
    logins.clock.moment += timedelta(days=183)
    assert (await logins.bank.bank.data_retention.run_once())["login_devices"] == 1
