"""The list of a user's sessions, and the revocation of one or of all others."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import PASSWORD, Client, Reply, RunningBank, serving, settings_for
from tests.integration.payers import SetClock

EMAIL = "ana@example.com"


async def _list(client: Client) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = (await client.run("Sessions")).data["sessions"]
    return sessions


async def _current(client: Client) -> dict[str, Any]:
    [session] = [session for session in await _list(client) if session["isCurrent"]]
    return session


async def _log_in(bank: RunningBank, agent: str) -> tuple[Client, str]:
    """Return a client with a new session, and its refresh token."""
    given = {"email": EMAIL, "password": PASSWORD}
    reply = await bank.client.run("Login", input=given, headers={"User-Agent": agent})
    tokens = reply.data["login"]["tokens"]
    return Client(bank.client.http, bank.client.url, tokens["accessToken"]), tokens["refreshToken"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _at(bank: RunningBank, client: Client) -> Client:
    return Client(bank.client.http, bank.client.url, client.token)


async def test_the_list_shows_the_open_sessions_of_the_caller(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        await bank.client.person()
        first = await bank.client.person(email=EMAIL)
        await (await bank.client.login(EMAIL)).run("Logout")
        clock.moment += timedelta(minutes=1)
        phone, refresh_token = await _log_in(bank, "a phone")
        at_login = clock.now()
        clock.moment += timedelta(minutes=1)
        laptop, _ = await _log_in(bank, "a laptop")
        listed = await _list(phone)
        assert [(one["userAgent"], one["isCurrent"]) for one in listed[:2]] == [("a laptop", False), ("a phone", True)]
        assert len(listed) == 3
        assert {one["ipAddress"] for one in listed} == {"127.0.0.1"}
        phones = listed[1]
        assert (_moment(phones["createdAt"]), _moment(phones["lastUsedAt"])) == (at_login, at_login)
        clock.moment += timedelta(minutes=1)
        await bank.client.run("RefreshSession", input={"refreshToken": refresh_token})
        phones = (await _list(laptop))[0]
        assert (_moment(phones["createdAt"]), _moment(phones["lastUsedAt"])) == (at_login, clock.now())
        assert _moment(phones["expiresAt"]) == clock.now() + bank.bank.settings.refresh_token_life
        assert (await _current(first))["id"] == listed[2]["id"]
        clock.moment = _moment(listed[2]["expiresAt"])
        client, _ = await _log_in(bank, "later")
        assert listed[2]["id"] not in [one["id"] for one in await _list(client)], "an expired session is not open"


async def test_requests_write_nothing_for_the_last_use(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    async with running_bank.bank.database.connection() as connection:
        before = await connection.fetchval("select max(xmin::text::bigint) from sessions")
        for _ in range(20):
            assert (await person.run("Me", headers={"Cache-Control": "no-cache"})).status == 200
        assert await connection.fetchval("select max(xmin::text::bigint) from sessions") == before


async def test_a_revoked_session_opens_nothing_and_the_others_stay_open(running_bank: RunningBank) -> None:
    here = await running_bank.client.person(email=EMAIL)
    there, refresh_token = await _log_in(running_bank, "elsewhere")
    session = await _current(there)
    for _ in range(2):  # a repetition changes nothing
        reply = await here.run("RevokeSession", id=session["id"])
        assert reply.data["revokeSession"] == {"revoked": True, "userErrors": []}
    assert (await there.run("Me")).code == "UNAUTHENTICATED"
    reply = await there.run("RefreshSession", input={"refreshToken": refresh_token})
    assert reply.code == "UNAUTHENTICATED"
    reply = await running_bank.client.run("RefreshSession", input={"refreshToken": refresh_token})
    assert reply.data["refreshSession"]["userErrors"][0]["code"] == "INVALID_REFRESH_TOKEN"
    assert [one["isCurrent"] for one in await _list(here)] == [True]
    assert await _revocations(running_bank) == [(session["id"], "REQUESTED")]


async def test_the_current_session_can_be_revoked(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    session = await _current(person)
    assert (await person.run("RevokeSession", id=session["id"])).data["revokeSession"]["revoked"]
    assert (await person.run("Me")).code == "UNAUTHENTICATED"


async def test_all_other_sessions_are_revoked_at_once(running_bank: RunningBank) -> None:
    here = await running_bank.client.person(email=EMAIL)
    others = [(await _log_in(running_bank, f"device {number}"))[0] for number in range(3)]
    stranger = await running_bank.client.person()
    reply = await here.run("RevokeOtherSessions")
    assert reply.data["revokeOtherSessions"] == {"revokedCount": 3}
    assert [(await client.run("Me")).status for client in (here, stranger, *others)] == [200, 200, 401, 401, 401]
    assert (await here.run("RevokeOtherSessions")).data["revokeOtherSessions"] == {"revokedCount": 0}
    assert [reason for _, reason in await _revocations(running_bank)] == ["REQUESTED"] * 3


async def test_a_session_of_somebody_else_and_one_that_does_not_exist_look_the_same(running_bank: RunningBank) -> None:
    victim, person = await running_bank.client.person(), await running_bank.client.person()
    foreign = (await _current(victim))["id"]
    ids = (foreign, str(uuid4()), foreign.upper(), "no id", "")
    replies: list[Reply] = [await person.run("RevokeSession", id=one) for one in ids]
    assert len({(reply.status, json.dumps(reply.body)) for reply in replies}) == 1
    assert replies[0].data["revokeSession"] == {
        "revoked": False,
        "userErrors": [{"code": "SESSION_NOT_FOUND", "message": "You have no such session.", "field": ["id"]}],
    }
    assert (await victim.run("Me")).status == 200
    assert await _revocations(running_bank) == []


@pytest.mark.parametrize("way", ["RevokeSession", "RevokeOtherSessions"])
async def test_a_revocation_holds_on_every_worker_without_redis(database_url: str, redis_url: str, way: str) -> None:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        settings = settings_for(database_url, through_proxy(redis_url, proxy.port))
        async with serving(settings) as first, serving(settings) as second:
            here = await first.client.person(email=EMAIL)
            there, _ = await _log_in(second, "elsewhere")
            given = {"id": (await _current(there))["id"]} if way == "RevokeSession" else {}
            everywhere = [_at(bank, there) for bank in (first, second)]
            for client in (*everywhere, *everywhere):
                assert (await client.run("Me")).status == 200
            proxy.block()
            assert (await here.run(way, **given)).status == 200
            for client in everywhere:
                assert (await client.run("Me")).code == "UNAUTHENTICATED"
            proxy.unblock()
            for client in everywhere:
                assert (await client.run("Me")).code == "UNAUTHENTICATED"
            assert (await _at(second, here).run("Me")).status == 200


async def test_revocations_of_each_other_at_the_same_time_end(running_bank: RunningBank) -> None:
    clients = [await running_bank.client.person(email=EMAIL)]
    clients += [(await _log_in(running_bank, "another"))[0] for _ in range(5)]
    async with asyncio.timeout(30):
        replies = await asyncio.gather(*(client.run("RevokeOtherSessions") for client in clients))
    assert {reply.status for reply in replies} <= {200, 401}


async def _revocations(bank: RunningBank) -> list[tuple[str, str]]:
    """Return the session and the reason of each revocation."""
    async with bank.bank.database.connection() as connection:
        rows = await connection.fetch(
            "select event_data ->> 'session_id' as id, event_data ->> 'reason' as reason from event_store"
            " where event_type = 'SessionRevokedEvent' order by position"
        )
    return [(row["id"], row["reason"]) for row in rows]
