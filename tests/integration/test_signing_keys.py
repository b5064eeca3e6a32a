"""Rotation of the keys that sign access tokens, on two workers."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bank.encryption.master_key import MasterKey, WrongMasterKey
from bank.identity.signing_keys import PROPAGATION, RotatedKey, rotate_signing_key
from bank.invariants.verify import verify
from fixtures.backends.reach import run_sql
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.payers import SetClock

EMAIL = "ana@example.com"
LIFE = timedelta(minutes=15)
A_MINUTE = timedelta(minutes=1)


@dataclass
class Workers:
    """Two workers with one clock."""

    first: RunningBank
    second: RunningBank
    clock: SetClock

    async def rotate(self, *, at_once: bool = False) -> RotatedKey:
        """Rotate the keys as `bank keys rotate` does, and wait until both workers have loaded the new key."""
        bank = self.first.bank
        master_key = MasterKey(bank.settings.master_key.get_secret_value())
        made = await rotate_signing_key(bank.uow_factory, master_key, token_life=LIFE, at_once=at_once)
        async with asyncio.timeout(5):
            for worker in (self.first, self.second):
                while made.id not in worker.bank.signing_keys.loaded:
                    await asyncio.sleep(0.005)
        return made

    async def log_in(self) -> tuple[str, str]:
        """Return the access token and the refresh token of a new session."""
        reply = await self.first.client.run("Login", input={"email": EMAIL, "password": PASSWORD})
        tokens = reply.data["login"]["tokens"]
        return tokens["accessToken"], tokens["refreshToken"]

    async def statuses(self, token: str) -> set[int]:
        """Return the status of a request with a token to each worker."""
        clients = [Client(worker.client.http, worker.client.url, token) for worker in (self.first, self.second)]
        return {(await client.run("Me")).status for client in clients}


@pytest.fixture
async def workers(database_url: str, redis_url: str) -> AsyncIterator[Workers]:
    settings, clock = settings_for(database_url, redis_url), SetClock()
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(serving(settings, clock=clock)) for _ in range(2)]
        await first.client.person(email=EMAIL)
        yield Workers(first, second, clock)


def _key_id(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


async def test_tokens_stay_valid_during_a_rotation(workers: Workers) -> None:
    old, _ = await workers.log_in()
    made = await workers.rotate()
    assert made.signs_from == workers.clock.now() + PROPAGATION
    still_old, _ = await workers.log_in()
    assert _key_id(still_old) == _key_id(old) != str(made.id)
    workers.clock.moment = made.signs_from
    new, _ = await workers.log_in()
    assert _key_id(new) == str(made.id)
    for token in (old, still_old, new):
        assert await workers.statuses(token) == {200}
    workers.clock.moment = made.older_until
    again, _ = await workers.log_in()
    assert _key_id(again) == str(made.id)
    assert await workers.statuses(again) == {200}
    assert made.older_until >= made.signs_from + LIFE, "the last token of the old key expires before its end"


async def test_a_leaked_key_is_refused_at_once_and_sessions_go_on(workers: Workers) -> None:
    old, refresh_token = await workers.log_in()
    assert await workers.statuses(old) == {200}
    made = await workers.rotate(at_once=True)
    assert await workers.statuses(old) == {401}
    reply = await workers.second.client.run("RefreshSession", input={"refreshToken": refresh_token})
    new = reply.data["refreshSession"]["tokens"]["accessToken"]
    assert _key_id(new) == str(made.id)
    assert await workers.statuses(new) == {200}


async def test_a_worker_that_starts_later_and_one_that_missed_the_notification_load_the_key(
    workers: Workers, database_url: str, redis_url: str
) -> None:
    made = await workers.rotate(at_once=True)
    token, _ = await workers.log_in()
    async with serving(settings_for(database_url, redis_url), clock=workers.clock) as later:
        assert later.bank.signing_keys.loaded == (made.id,)
        assert (await Client(later.client.http, later.client.url, token).run("Me")).status == 200
    other = serving(settings_for(database_url, redis_url), clock=workers.clock)
    async with other as unnotified:
        bank = workers.first.bank
        unnotified.bank.signing_keys.loop.wake_up = None
        master_key = MasterKey(bank.settings.master_key.get_secret_value())
        second = await rotate_signing_key(bank.uow_factory, master_key, token_life=LIFE)
        await unnotified.bank.signing_keys.load()
        assert unnotified.bank.signing_keys.loaded == (made.id, second.id)


async def test_a_rotation_is_an_event_and_the_key_is_stored_wrapped(workers: Workers, database_url: str) -> None:
    made = await workers.rotate()
    async with workers.first.bank.database.connection() as connection:
        row = await connection.fetchrow("select * from signing_keys")
        event = await connection.fetchrow(
            "select aggregate_id, event_data from event_store where event_type = 'SigningKeyRotatedEvent'"
        )
    assert row["id"] == event["aggregate_id"] == made.id
    master_key = MasterKey(workers.first.bank.settings.master_key.get_secret_value())
    assert len(master_key.unwrap(row["wrapped"], owner=f"signing key {made.id}")) == 32
    await workers.first.caught_up()
    assert not (await verify(database_url)).findings


@pytest.mark.parametrize("change", ["another master key", "a key of another row"])
async def test_a_worker_does_not_start_with_a_key_that_it_cannot_unwrap(
    workers: Workers, database_url: str, redis_url: str, change: str
) -> None:
    for _ in range(2):
        await workers.rotate()
    settings = settings_for(database_url, redis_url)
    if change == "another master key":
        settings = settings.model_copy(update={"master_key": SecretStr("8d3e" * 16)})
    else:
        run_sql(database_url, "update signing_keys set wrapped = (select min(wrapped) from signing_keys)")
    with pytest.raises(WrongMasterKey):
        async with serving(settings):
            pass
