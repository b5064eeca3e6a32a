"""The response cache: a response is used only while all its data is unchanged; losing Redis changes no answer."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from bank.accounts.open import open_account
from bank.cache.response_cache import ResponseCache
from bank.cache.values import CacheTag, ValueCache
from bank.events.dispatch import RetryLater
from bank.identifiers import uuid7
from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import Client, RunningBank, serving, settings_for
from tests.integration.caches import open_cache

NO_CACHE = {"Cache-Control": "no-cache"}


def _cache_status(reply: Any) -> str:
    return str(reply.headers["Cache-Status"]).removeprefix("bank; ")


async def _two_accounts(bank: RunningBank) -> tuple[Client, dict[str, Any], dict[str, Any]]:
    person = await bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await bank.staff()).deposit(first["number"], "100.00", "fund")
    return person, first, second


async def _hit(person: Client, operation: str, **variables: Any) -> Any:
    """Read until the answer comes from the cache, which is filled after the first answer was sent."""
    async with asyncio.timeout(5):
        while _cache_status(reply := await person.run(operation, **variables)) != "hit":
            await asyncio.sleep(0.001)
    return reply.data


async def test_a_second_read_is_a_hit_with_the_same_answer(running_bank: RunningBank) -> None:
    person, first, _ = await _two_accounts(running_bank)
    miss = await person.run("AccountHistory", id=first["id"])
    assert _cache_status(miss) == "fwd=uri-miss"
    assert await _hit(person, "AccountHistory", id=first["id"]) == miss.data


async def test_a_transfer_invalidates_every_response_about_its_accounts_at_once(running_bank: RunningBank) -> None:
    person, first, second = await _two_accounts(running_bank)
    await _hit(person, "Me")
    await _hit(person, "AccountHistory", id=first["id"])
    await person.transfer(first["id"], second["number"], "1.00", "t1")
    me, history = await person.run("Me"), await person.run("AccountHistory", id=first["id"])
    assert _cache_status(me) == _cache_status(history) == "fwd=stale"
    assert [account["balance"]["amount"] for account in me.data["me"]["accounts"]] == ["99.00", "1.00"]
    assert len(history.data["account"]["transactions"]["edges"]) == 2


async def test_a_balance_after_a_transfer_is_read_from_the_cache(
    running_bank: RunningBank,
) -> None:
    person, first, second = await _two_accounts(running_bank)
    await _hit(person, "AccountBalance", id=first["id"])
    await person.transfer(first["id"], second["number"], "1.00", "t1")
    reply = await person.run("AccountBalance", id=first["id"])
    assert _cache_status(reply) == "hit"
    assert reply.data["account"]["balance"]["amount"] == "99.00"


async def test_opening_an_account_invalidates_the_profile(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    await person.account("a")
    await _hit(person, "Me")
    await person.account("b")
    assert len((await person.run("Me")).data["me"]["accounts"]) == 2


async def test_a_no_cache_request_neither_reads_nor_fills_the_cache(running_bank: RunningBank) -> None:
    person, first, _ = await _two_accounts(running_bank)
    for _ in range(3):
        assert _cache_status(await person.run("AccountHistory", id=first["id"], headers=NO_CACHE)) == "fwd=request"
    assert _cache_status(await person.run("AccountHistory", id=first["id"])) == "fwd=uri-miss"


async def test_a_cached_response_is_never_returned_to_another_user(running_bank: RunningBank) -> None:
    person, first, _ = await _two_accounts(running_bank)
    await _hit(person, "AccountBalance", id=first["id"])
    stranger = await running_bank.client.person()
    assert (await stranger.run("AccountBalance", id=first["id"])).data["account"] is None


async def test_a_response_with_errors_is_not_cached(running_bank: RunningBank) -> None:
    person, first, _ = await _two_accounts(running_bank)
    for _ in range(3):
        reply = await person.run("AccountHistory", id=first["id"], after="nonsense")
        assert (reply.code, _cache_status(reply)) == ("BAD_INPUT", "fwd=uri-miss")


async def test_losing_redis_changes_no_answer(running_bank: RunningBank) -> None:
    person, first, second = await _two_accounts(running_bank)
    await _hit(person, "AccountBalance", id=first["id"])
    await running_bank.bank.cache_server.client.flushdb()
    assert await person.balance(first["id"]) == "100.00"
    await person.transfer(first["id"], second["number"], "1.00", "t1")
    await running_bank.bank.cache_server.client.flushdb()
    assert await person.balance(first["id"]) == "99.00"
    assert await person.balance(first["id"], headers=NO_CACHE) == "99.00"


async def test_a_bank_without_redis_works(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(settings_for(database_url, "redis://127.0.0.1:1/0")) as bank:
        person, first, second = await _two_accounts(bank)
        assert (await person.transfer(first["id"], second["number"], "1.00", "t1")).data["transfer"]["userErrors"] == []
        assert await person.balance(first["id"]) == "99.00"
        assert (await person.run("Logout")).data["logout"]["closed"]
        assert (await person.run("Me")).code == "UNAUTHENTICATED"
        async with bank.client.http.get(f"{bank.client.url}/health/ready") as ready:
            assert (ready.status, await ready.json()) == (
                200,
                {"status": "degraded", "database": "ok", "redis": "unavailable"},
            )


async def test_an_older_value_never_replaces_a_newer_one(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        cache = ValueCache(server)
        await cache.put([CacheTag("account:x", 10, 60, b"ten")])
        await cache.put([CacheTag("account:x", 9, 60, b"nine")])
        assert await cache.data("account:x") == b"ten"


async def test_a_version_without_a_value_is_replaced_by_the_value_of_that_version(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        cache = ValueCache(server)
        await cache.put([CacheTag("account:x", 10, 60)])
        await cache.put([CacheTag("account:x", 10, 60, b"ten")])
        await cache.put([CacheTag("account:x", 10, 60)])
        assert await cache.data("account:x") == b"ten"


async def _filled(cache: ResponseCache, key: str, version: int) -> bool:
    look = await cache.look_up(key, uuid7())
    assert look.lease
    return await cache.fill(key, look.lease, b"body", [CacheTag("account:x", version, 60)])


async def test_a_fill_with_data_from_before_a_write_is_refused(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        answers, values = ResponseCache(server), ValueCache(server)
        look = await answers.look_up("answer:a", uuid7())
        assert look.lease
        await values.put([CacheTag("account:x", 2, 60)])
        assert not await answers.fill("answer:a", look.lease, b"old", [CacheTag("account:x", 1, 60)])
        assert await _filled(answers, "answer:b", 2)


async def test_a_fill_is_refused_after_the_cache_lost_its_lease(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        answers, values = ResponseCache(server), ValueCache(server)
        look = await answers.look_up("answer:a", uuid7())
        assert look.lease
        await values.put([CacheTag("account:x", 2, 60)])
        await server.client.flushdb()
        assert not await answers.fill("answer:a", look.lease, b"old", [CacheTag("account:x", 1, 60)])
        assert (await answers.look_up("answer:a", uuid7())).result == "away"


async def test_a_lease_permits_one_fill(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        answers = ResponseCache(server)
        look = await answers.look_up("answer:a", uuid7())
        assert look.lease
        tags = [CacheTag("account:x", 1, 60)]
        assert await answers.fill("answer:a", look.lease, b"first", tags)
        assert not await answers.fill("answer:a", look.lease, b"second", tags)
        assert (await answers.look_up("answer:a", uuid7())).body == b"first"


async def test_every_cached_value_expires(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        answers, values = ResponseCache(server), ValueCache(server)
        await values.put([CacheTag("account:put", 1, 60, b"one"), CacheTag("account:bare", 1, 60)])
        await values.mark_session(uuid7(), "open 1 x")
        look = await answers.look_up("answer:a", uuid7())
        assert look.lease
        await answers.look_up("answer:leased", uuid7())
        assert await answers.fill("answer:a", look.lease, b"body", [CacheTag("account:filled", 1, 60)])
        left_s = {
            key.decode().partition(":")[2]: await server.client.ttl(key) async for key in server.client.scan_iter()
        }
    [epoch_mark] = [key for key, seconds in left_s.items() if seconds < 0]
    assert len(left_s) == 7
    assert not epoch_mark.startswith(("account", "answer", "lease", "session"))


async def test_only_one_reader_has_the_lease(redis_url: str) -> None:
    async with open_cache(redis_url) as server:
        answers = ResponseCache(server)
        first, second = await answers.look_up("answer:a", uuid7()), await answers.look_up("answer:a", uuid7())
        assert first.lease
        assert second.lease is None


async def test_a_response_shows_one_instant_while_money_moves_between_its_accounts(running_bank: RunningBank) -> None:
    person, first, second = await _two_accounts(running_bank)
    stop = asyncio.Event()

    async def move() -> None:
        for number in range(60):
            there, back = (first, second) if number % 2 == 0 else (second, first)
            await person.transfer(there["id"], back["number"], "1.00" if number % 2 else "2.00", f"m{number}")
        stop.set()

    async def watch(headers: dict[str, str] | None) -> set[int]:
        sums = set()
        while not stop.is_set():
            accounts = (await person.run("Me", headers=headers)).data["me"]["accounts"]
            sums.add(sum(int(account["balance"]["amount"].replace(".", "")) for account in accounts))
        return sums

    _, cached, uncached = await asyncio.gather(move(), watch(None), watch(NO_CACHE))
    assert cached == uncached == {10_000}


async def test_deferred_invalidations_are_written_before_redis_is_trusted_again(redis_url: str) -> None:
    async with (
        FaultProxy(upstream_of(redis_url)) as proxy,
        open_cache(through_proxy(redis_url, proxy.port), timeout_ms=50) as server,
    ):
        answers, values = ResponseCache(server), ValueCache(server)
        await values.put([CacheTag("account:x", 1, 60, b"one"), CacheTag("account:y", 1, 60, b"one")])
        assert await _filled(answers, "answer:a", 1)
        proxy.block()
        assert not await values.put([CacheTag("account:x", 2, 60, b"two")])
        assert await values.data("account:y") is None, "while it is owed something, Redis is not believed"
        proxy.cut()  # all data in transit is lost
        proxy.unblock()
        assert values.has_deferred
        assert await values.flush_deferred()
        assert not values.has_deferred
        assert (await answers.look_up("answer:a", uuid7())).result == "stale"
        assert await values.data("account:x") is None
        assert await values.data("account:y") == b"one"


async def test_a_transfer_during_an_outage_of_redis_is_visible_after_the_outage(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        raise RetryLater("The subscriber has not had its turn.")

    monkeypatch.setattr("bank.accounts.cached.AccountCache.catch_up", never)
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        settings = settings_for(database_url, through_proxy(redis_url, proxy.port))
        async with serving(settings) as bank:
            person, first, second = await _two_accounts(bank)
            await _hit(person, "Me")
            assert await person.balance(first["id"]) == "100.00"
            proxy.block()
            await person.transfer(first["id"], second["number"], "1.00", "t1")
            proxy.cut()  # all data in transit is lost
            proxy.unblock()
            async with asyncio.timeout(10):
                while True:
                    reply = await person.run("Me")
                    accounts = reply.data["me"]["accounts"]
                    assert [account["balance"]["amount"] for account in accounts] == ["99.00", "1.00"]
                    assert await person.balance(first["id"]) == "99.00"
                    if _cache_status(reply) == "hit":
                        break
                    await asyncio.sleep(0.02)


async def test_an_account_is_visible_although_its_opening_crashed_before_the_write_through(
    running_bank: RunningBank,
) -> None:
    person, _, _ = await _two_accounts(running_bank)
    await _hit(person, "Me")

    class Crashed:
        async def put(self, _tags: Any) -> bool:
            return True

    bank = running_bank.bank
    user_id = UUID((await person.run("Me")).data["me"]["id"])
    cache = cast("ValueCache", Crashed())
    await open_account(bank.uow_factory, bank.recorder, cache, user_id=user_id, key="c", currency="BRL")
    await running_bank.caught_up()
    assert len((await person.run("Me")).data["me"]["accounts"]) == 3
