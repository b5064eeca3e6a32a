"""A closed session is closed on every worker as soon as the answer is sent, in every state of Redis."""

import asyncio

import pytest

from bank.identity.roles import change_role
from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import Client, RunningBank, serving, settings_for


def _at(bank: RunningBank, token: str | None) -> Client:
    return Client(bank.client.http, bank.client.url, token)


async def _is_open(*clients: Client) -> list[bool]:
    return [(await client.run("Me")).status == 200 for client in clients]


async def test_a_logout_takes_effect_on_every_worker_without_redis(database_url: str, redis_url: str) -> None:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        cut_off = settings_for(database_url, through_proxy(redis_url, proxy.port))
        async with serving(cut_off) as first, serving(settings_for(database_url, redis_url)) as second:
            person = await first.client.person(email="ana@example.com")
            again = await first.client.login("ana@example.com")
            everywhere = [_at(bank, client.token) for client in (person, again) for bank in (first, second)]
            assert all(await _is_open(*everywhere, *everywhere))
            proxy.block()
            assert (await person.run("Logout")).data["logout"]["closed"]
            assert await _is_open(*everywhere) == [False, False, True, True]
            proxy.unblock()
            assert await _is_open(*everywhere) == [False, False, True, True]


async def test_lost_or_forged_marks_in_redis_open_no_session(database_url: str, redis_url: str) -> None:
    settings = settings_for(database_url, redis_url)
    async with serving(settings) as first, serving(settings) as second:
        person = await first.client.person(email="ana@example.com")
        everywhere = [_at(first, person.token), _at(second, person.token)]
        # The second request writes a mark that is newer than the start of both listeners.
        assert all(await _is_open(*everywhere, *everywhere))
        redis = first.bank.cache_server.client
        [key] = [key async for key in redis.scan_iter("*session:*")]
        was = await redis.get(key)
        assert isinstance(was, bytes)
        assert was.startswith(b"open ")
        assert (await person.run("Logout")).data["logout"]["closed"]
        async with serving(settings) as started_later:
            everywhere.append(_at(started_later, person.token))
            for state in (was, b"open", b"open 9999999999999999 " + b"0" * 64, b"\xff\xfe", None):
                await (redis.set(key, state) if state is not None else redis.delete(key))
                assert await _is_open(*everywhere) == [False, False, False], state


async def test_a_reused_refresh_token_closes_the_session_on_every_worker(database_url: str, redis_url: str) -> None:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        cut_off = settings_for(database_url, through_proxy(redis_url, proxy.port))
        async with serving(cut_off) as first, serving(settings_for(database_url, redis_url)) as second:
            person = await first.client.person(email="ana@example.com")
            given = {"email": "ana@example.com", "password": "an umbrella for Tuesday"}
            tokens = (await person.run("Login", input=given)).data["login"]["tokens"]
            everywhere = [_at(bank, tokens["accessToken"]) for bank in (first, second)]
            assert all(await _is_open(*everywhere, *everywhere))
            refreshed = await person.run("RefreshSession", input={"refreshToken": tokens["refreshToken"]})
            successor = refreshed.data["refreshSession"]["tokens"]["refreshToken"]
            await person.run("RefreshSession", input={"refreshToken": successor})
            proxy.block()
            await person.run("RefreshSession", input={"refreshToken": tokens["refreshToken"]})
            assert await _is_open(*everywhere) == [False, False]


@pytest.mark.parametrize("role", ["CUSTOMER", "ADMIN"])
async def test_a_change_of_role_closes_the_sessions_with_the_old_role(running_bank: RunningBank, role: str) -> None:
    operator = await running_bank.staff()
    email = (await operator.run("Me")).data["me"]["email"]
    person = await running_bank.client.person()
    assert all(await _is_open(operator, person))
    await change_role(running_bank.bank.uow_factory, email=email, role="OPERATOR")
    assert all(await _is_open(operator, person)), "the same role changes nothing"
    await change_role(running_bank.bank.uow_factory, email=email, role=role)
    async with asyncio.timeout(5):
        while (await operator.run("Me")).status == 200:  # the notification takes a moment
            await asyncio.sleep(0.001)
    assert await _is_open(operator, person) == [False, True]
    assert (await (await running_bank.client.login(email)).run("Me")).data["me"]["role"] == role
