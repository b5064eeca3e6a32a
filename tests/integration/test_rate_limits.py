"""Rate limits over HTTP: shared by all workers, exact under parallel requests, and in force without Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from bank.cache.redis import CacheServer
from bank.cache.response_cache import ResponseCache
from bank.identifiers import uuid7
from bank.security.gcra import Policy, Usage, decide
from bank.security.rate_limits import Admission, QuotaRequest, RateLimiter
from bank.settings import RateLimit
from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import PASSWORD, Client, Reply, RunningBank, serving, settings_for
from tests.integration.caches import open_cache
from tests.integration.wire import Wire

FEW = "20/3600"  # no quota is restored during a test
ME = "{ me { id } }"


@asynccontextmanager
async def limited(database_url: str, redis_url: str, **limits: Any) -> AsyncIterator[RunningBank]:
    """Serve a bank that waits for Redis also while the machine is busy, so that Redis decides about each request."""
    limits.setdefault("redis_timeout_ms", 5_000)
    async with serving(settings_for(database_url, redis_url, **limits)) as bank:
        yield bank


@pytest.fixture
def decided_alone(monkeypatch: pytest.MonkeyPatch) -> list[QuotaRequest]:
    """Return the list of the requests about which a worker decided without Redis, as it may on a busy machine."""
    requests: list[QuotaRequest] = []
    original = RateLimiter.decide

    def spy(limiter: RateLimiter, request: QuotaRequest, quota: bytes | None) -> Admission:
        if quota is None:
            requests.append(request)
        return original(limiter, request, quota)

    monkeypatch.setattr(RateLimiter, "decide", spy)
    return requests


async def in_parallel(clients: list[Client], query: str, requests: int) -> Counter[int]:
    """Send requests at once, to the clients in turn, and return the number of each status."""
    replies = await asyncio.gather(*(clients[n % len(clients)].send(query) for n in range(requests)))
    return Counter(reply.status for reply in replies)


async def test_parallel_requests_to_two_workers_get_exactly_the_quota(
    database_url: str, redis_url: str, decided_alone: list[QuotaRequest]
) -> None:
    async with (
        limited(database_url, redis_url, rate_limit_read_person=FEW) as first,
        limited(database_url, redis_url, rate_limit_read_person=FEW) as second,
    ):
        other = await first.client.person()
        async with asyncio.timeout(60):
            while True:
                here = await first.client.person()
                decided_alone.clear()
                found = await in_parallel([here, Client(here.http, second.client.url, here.token)], ME, 50)
                if not decided_alone:
                    break
        assert found == {200: 20, 429: 30}
        # The limit is of the person, not of the address.
        assert (await other.send(ME)).status == 200


async def test_every_worker_has_its_share_while_redis_is_gone(database_url: str, redis_url: str) -> None:
    limits = {"rate_limit_read_person": "60/36000", "redis_timeout_ms": 100}
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        through = through_proxy(redis_url, proxy.port)
        async with (
            limited(database_url, through, **limits) as first,
            limited(database_url, through, **limits) as second,
        ):
            here = await first.client.person()
            there = Client(here.http, second.client.url, here.token)
            async with asyncio.timeout(10):
                while {first.bank.membership.workers, second.bank.membership.workers} != {2}:
                    await asyncio.sleep(0.01)
            proxy.block()
            assert await in_parallel([here], ME, 40) == {200: 30, 429: 10}
            assert await in_parallel([there], ME, 40) == {200: 30, 429: 10}
            proxy.unblock()
            async with asyncio.timeout(10):
                # The quota in Redis is unused.
                while (await here.send(ME)).status != 200:
                    await asyncio.sleep(0.01)


async def test_each_alias_counts_as_an_operation(database_url: str, redis_url: str) -> None:
    wrong = f'login(input: {{email: "nobody@example.com", password: "{PASSWORD}"}}) {{ userErrors {{ code }} }}'
    aliased = "mutation { " + " ".join(f"a{number}: {wrong}" for number in range(5)) + " }"
    async with limited(database_url, redis_url, rate_limit_login=FEW) as bank:
        replies = [await bank.client.send(aliased) for _ in range(5)]
        assert [reply.status for reply in replies] == [400, 400, 400, 400, 429]
        assert [reply.code for reply in replies] == ["BAD_INPUT"] * 4 + ["RATE_LIMITED"]
        assert [reply.headers["RateLimit"].partition(";t=")[0] for reply in replies] == [
            f'"login";r={rest}' for rest in (15, 10, 5, 0, 0)
        ]
        assert (await bank.client.send("mutation { " + wrong + " }")).code == "RATE_LIMITED"


async def test_a_limited_transfer_moves_nothing_and_does_not_use_its_key(database_url: str, redis_url: str) -> None:
    async with limited(database_url, redis_url, rate_limit_money_person="20/20") as bank:
        person, staff = await bank.client.person(), await bank.staff()
        account, other = await person.account("a"), await person.account("b")
        await staff.deposit(account["number"], "1.00", "d")
        money = {"amount": "0.01", "currency": "BRL"}
        way = {"fromAccountId": account["id"], "toAccountNumber": other["number"], "amount": money}

        async def send(number: int) -> Reply:
            return await person.run("Transfer", input={"idempotencyKey": f"t{number}", **way})

        replies = await asyncio.gather(*(send(number) for number in range(30)))
        refused = [number for number, reply in enumerate(replies) if reply.status == 429]
        done = len(replies) - len(refused)
        assert len(refused) >= 5
        assert await person.balance(other["id"]) == f"0.{done:02}"
        [error] = replies[refused[0]].body["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("RATE_LIMITED", True)
        assert "money-person" in error["message"]
        assert 1 <= int(replies[refused[0]].headers["Retry-After"]) <= 20
        async with asyncio.timeout(20):
            while (again := await send(refused[0])).status == 429:
                await asyncio.sleep(float(again.headers["Retry-After"]))
        assert again.data["transfer"]["replayed"] is False
        assert await person.balance(other["id"]) == f"0.{done + 1:02}"


async def test_every_answer_of_the_api_shows_its_limits(running_bank: RunningBank) -> None:
    person, url = await running_bank.client.person(), f"{running_bank.client.url}/graphql"
    seen = {}
    for name, reply in {
        "read": await person.send(ME),
        "again": await person.send(ME),
        "money": await person.run("OpenAccount", input={"idempotencyKey": "k", "currency": "BRL"}),
        "logout": await person.run("Logout"),
        "closed": await person.send(ME),
        "anonymous": await running_bank.client.send(ME),
        "invalid document": await running_bank.client.send("{ nothing }"),
        "login": await running_bank.client.run("Login", input={"email": "a@example.com", "password": "x"}),
    }.items():
        seen[name] = (reply.status, reply.headers["RateLimit-Policy"].count(";q="), reply.headers["RateLimit"])
    plain: list[tuple[str, str, dict[str, Any]]] = [
        ("no JSON", "POST", {"data": b"x", "headers": {"Content-Type": "application/json"}}),
        ("a form", "POST", {"data": {"query": "{ __typename }"}}),
        ("a mutation", "GET", {"params": {"query": "mutation { logout { closed } }"}}),
        ("no method", "PUT", {}),
    ]
    for name, method, arguments in plain:
        async with running_bank.client.http.request(method, url, **arguments) as response:
            policies = response.headers["RateLimit-Policy"].count(";q=")
            seen[name] = (response.status, policies, response.headers["RateLimit"])
    assert {name: found[:2] for name, found in seen.items()} == {
        "read": (200, 2), "again": (200, 2), "money": (200, 2), "logout": (200, 2), "closed": (401, 2),
        "anonymous": (401, 1), "invalid document": (400, 1), "login": (200, 1), "no JSON": (400, 1), "a form": (415, 1),
        "a mutation": (405, 1), "no method": (405, 1),
    }  # fmt: skip
    assert {found[2].partition(";")[0] for found in seen.values()} == {
        '"read-person"', '"money-person"', '"read-address"', '"login"', '"money-address"',
    }  # fmt: skip


async def test_requests_without_an_operation_are_limited_by_their_address(database_url: str, redis_url: str) -> None:
    async with limited(database_url, redis_url, rate_limit_read_address=FEW) as bank:
        http, url = bank.client.http, f"{bank.client.url}/graphql"
        for _ in range(20):
            async with http.post(url, data=b"x", headers={"Content-Type": "application/json"}) as response:
                assert response.status == 400
        async with http.post(url, data=b"x", headers={"Content-Type": "application/json"}) as response:
            assert (response.status, int(response.headers["Retry-After"]) > 0) == (429, True)
        # Another class of operations, and a probe, have their own limits or none.
        assert (await bank.client.run("Login", input={"email": "a@example.com", "password": "x"})).status == 200
        async with http.get(f"{bank.client.url}/health/live") as response:
            assert (response.status, "RateLimit" in response.headers) == (200, False)


async def test_a_legacy_client_gets_429_too(database_url: str, redis_url: str) -> None:
    async with limited(database_url, redis_url, rate_limit_read_address=FEW) as bank:
        legacy = {"Accept": "application/json"}
        replies = [await bank.client.send("{ __typename }", headers=legacy) for _ in range(21)]
        assert [reply.status for reply in replies] == [200] * 20 + [429]


async def test_the_first_refusal_is_audited_and_each_is_counted(database_url: str, redis_url: str) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("bank_rate_limited_total", {"policy": "read-person"}) or 0

    async with limited(database_url, redis_url, rate_limit_read_person=FEW) as bank:
        people, before = [await bank.client.person() for _ in range(2)], counted()
        found = [await in_parallel([person], ME, 60) for person in people]
        refused = [statuses[429] for statuses in found]
        assert min(refused) > 1
        assert counted() - before == sum(refused)
        await bank.caught_up()
        async with bank.bank.database.connection() as connection:
            rows = await connection.fetch(
                "select user_id, new_values::text as values from audit_logs where action = 'REFUSE'"
            )
        assert len({row["user_id"] for row in rows} - {None}) == len(rows) == 2
        assert all('"RATE_LIMITED"' in row["values"] and '"me"' in row["values"] for row in rows)


async def test_an_exempt_address_is_not_limited(database_url: str, redis_url: str) -> None:
    async with limited(database_url, redis_url, rate_limit_read_address=FEW, rate_limit_exempt="127.0.0.2") as bank:
        request = b"GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: bank\r\n\r\n"
        found: dict[str, list[int]] = {}
        for source in ("127.0.0.1", "127.0.0.2"):
            wire = await Wire.open(bank, source=source)
            found[source] = []
            for _ in range(21):
                await wire.send(request)
                found[source].append((await wire.answer())[0])
            await wire.close()
        assert found == {"127.0.0.1": [200] * 20 + [429], "127.0.0.2": [200] * 21}


async def test_a_request_makes_one_round_trip(running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await running_bank.client.person()
    while (await person.run("Me")).headers["Cache-Status"] != "bank; hit":
        pass
    await running_bank.caught_up()
    calls: list[str] = []
    run = CacheServer.run

    async def spy(server: CacheServer, function: str, keys: list[str], arguments: list[Any]) -> Any:
        calls.append(function)
        return await run(server, function, keys, arguments)

    monkeypatch.setattr(CacheServer, "run", spy)
    await person.run("Me")
    await person.run("Me", headers={"Cache-Control": "no-cache"})
    await running_bank.client.send("{ nothing }")
    assert calls == ["look", "session", "quota"]


@given(
    limits=st.lists(st.builds(RateLimit, st.integers(20, 60), st.integers(1, 3)), min_size=1, max_size=3),
    costs=st.lists(st.integers(1, 20), min_size=1, max_size=12),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_redis_decides_as_the_pure_function(redis_url: str, limits: list[RateLimit], costs: list[int]) -> None:
    policies = [Policy(f"p{number}", limit) for number, limit in enumerate(limits)]

    async def compare() -> None:
        async with open_cache(redis_url) as server:
            tats, client = [0] * len(policies), str(uuid7())
            for cost in costs:
                began, quota, ended = await _use(server, client, [(policy, cost) for policy in policies])
                usages = [Usage(policy, cost) for policy in policies]
                earliest, latest = decide(usages, tats, began), decide(usages, tats, ended)
                if quota.startswith('"'):
                    assert not any(state.wait_us for state in latest)
                    found = [int(member.partition(";r=")[2]) for member in quota.split(", ")]
                    for index, state in enumerate(latest):
                        assert earliest[index].remaining <= found[index] <= state.remaining
                    tats = [await _stored_tat(server, client, policy) for policy in policies]
                    for index, tat in enumerate(tats):
                        # It expires when the whole quota is free again.
                        assert not tat or earliest[index].tat_us <= tat <= latest[index].tat_us
                else:
                    now_us, *before = map(int, quota.split())
                    assert any(state.wait_us for state in earliest)
                    assert before == [max(tat, now_us) for tat in tats]

    asyncio.run(compare())


async def _use(server: CacheServer, client: str, usages: list[tuple[Policy, int]]) -> tuple[int, str, int]:
    """Use quota; return what Redis returned, and the time of Redis before and after."""
    text = " ".join(f"{p.name} {client} {cost * p.interval_us} {p.interval_us} {p.tolerance_us}" for p, cost in usages)
    began = await _time_us(server)
    quota = (await ResponseCache(server).look_up_session(None, text)).quota
    assert quota is not None
    return began, quota.decode(), await _time_us(server)


async def _time_us(server: CacheServer) -> int:
    seconds, microseconds = await server.client.time()
    return int(seconds) * 1_000_000 + int(microseconds)


async def _stored_tat(server: CacheServer, client: str, policy: Policy) -> int:
    keys = [key async for key in server.client.scan_iter(match=f"*:limit:{policy.name}:{client}", count=1_000)]
    return int((await server.client.get(keys[0])) or 0) if keys else 0


async def test_a_limited_look_up_returns_no_response_and_takes_no_lease(redis_url: str) -> None:
    policy = Policy("p", RateLimit(20, 3600))
    async with open_cache(redis_url) as server:
        cache, session = ResponseCache(server), uuid7()
        quota = f"p x {20 * policy.interval_us} {policy.interval_us} {policy.tolerance_us}"
        first = await cache.look_up("answer:a", session, quota)
        assert (first.result, first.lease is not None) == ("miss", True)
        limited = await cache.look_up("answer:b", session, quota)
        assert (limited.result, limited.lease, limited.body) == ("limited", None, None)
        assert (await cache.look_up("answer:b", session)).lease is not None
