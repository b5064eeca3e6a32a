"""The rate limiter of one worker: the cost of a document, the cells of a request, and its decision without Redis."""

from typing import Any
from uuid import UUID

import pytest
from graphql import build_schema

from bank.api.schema import load_sdl
from bank.security.rate_limits import CLASS_OF_MUTATION, UNLIMITED, RateLimiter, operation_costs, repeats_credentials
from tests.integration.api import settings_for

PERSON = UUID("01890000-0000-7000-8000-000000000001")


class Time:
    """A clock that the test sets."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def limiter(clock: Time | None = None, *, workers: int = 1, **settings: Any) -> RateLimiter:
    given = settings_for("postgresql://a@localhost/b", "redis://localhost/0", **settings)
    return RateLimiter(given, lambda: workers, clock or Time())


def admitted(of: RateLimiter, address: str | None = "198.51.100.7", *, cost: int = 1, name: str = "login") -> bool:
    request = of.request(((name, cost),), None, address)
    return not of.decide(request, None).refused_by


def test_each_aliased_operation_costs_one() -> None:
    assert operation_costs("mutation", ("login",) * 100) == (("login", 100),)
    assert operation_costs("query", ("me", "account", "me")) == (("read", 3),)
    assert operation_costs("mutation", ("login", "register", "transfer", "login")) == (
        ("login", 2), ("registration", 1), ("money", 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "roots", "is_refused"),
    [
        ("mutation", ("login", "login"), True),
        ("mutation", ("login", "transfer", "register"), True),
        ("mutation", ("changeEmail", "changePassword"), True),
        ("mutation", ("login", "transfer", "transfer"), False),
        ("query", ("me", "me"), False),
    ],
)
def test_a_document_has_one_login_or_registration(kind: str, roots: tuple[str, ...], is_refused: bool) -> None:
    assert repeats_credentials(kind, roots) is is_refused


def test_every_mutation_with_a_class_exists() -> None:
    mutation = build_schema(load_sdl()).mutation_type
    assert mutation is not None
    assert mutation.fields.keys() >= CLASS_OF_MUTATION.keys()


def test_an_export_has_a_limit_of_its_person_and_counts_as_any_mutation_of_its_address() -> None:
    costs = operation_costs("mutation", ("exportMyData", "transfer", "exportMyData"))
    request = limiter().request(costs, PERSON, "198.51.100.7")
    assert [(usage.policy.name, usage.cost) for usage in request.usages] == [
        ("export", 2), ("money-person", 1), ("money-address", 3),
    ]  # fmt: skip
    anonymous = limiter().request(costs, None, "198.51.100.7")
    assert [(usage.policy.name, usage.cost) for usage in anonymous.usages] == [("money-address", 3)]


def test_a_logged_in_request_has_a_limit_of_its_person_and_one_of_its_address() -> None:
    request = limiter().request((("money", 2),), PERSON, "2001:db8::1:2")
    assert request.keys == (f"money-person:{PERSON}", "money-address:2001:db8::/64")
    assert request.text == (f"money-person {PERSON} 4000 2000 10000000 money-address 2001:db8::/64 2000 1000 10000000")
    assert request.policy_header == '"money-person";q=5000;w=10, "money-address";q=10000;w=10'


def test_all_addresses_of_an_ipv6_network_share_a_limit() -> None:
    one = limiter(rate_limit_login="20/60")
    assert [admitted(one, f"2001:db8:0:1::{number:x}") for number in range(21)] == [True] * 20 + [False]
    assert admitted(one, "2001:db8:0:2::1")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "fd00::7"])
def test_an_exempt_network_has_no_limit(address: str) -> None:
    one = limiter(rate_limit_exempt="127.0.0.0/8, 10.0.0.0/8, fd00::/8", rate_limit_login="20/60")
    assert one.request((("login", 1),), None, address) is UNLIMITED
    assert all(admitted(one, address) for _ in range(100))
    assert not all(admitted(one, "192.0.2.1") for _ in range(100))


def test_an_unknown_address_is_limited() -> None:
    one = limiter(rate_limit_login="20/60", rate_limit_exempt="0.0.0.0/0")
    assert [admitted(one, None) for _ in range(21)] == [True] * 20 + [False]


@pytest.mark.parametrize(("workers", "most"), [(1, 100), (2, 50), (4, 25), (50, 20)])
def test_a_worker_without_redis_has_its_share_of_the_quota(workers: int, most: int) -> None:
    clock = Time()
    one = limiter(clock, workers=workers, rate_limit_login="100/100")
    assert [admitted(one) for _ in range(most + 1)] == [True] * most + [False]
    clock.now_s += workers - 0.001
    assert not admitted(one)
    clock.now_s += 0.001
    assert [admitted(one), admitted(one)] == [True, False]


def test_the_headers_show_the_rest_and_the_wait_of_a_refusal() -> None:
    one = limiter(rate_limit_login="20/50")
    request = one.request((("login", 5),), None, "192.0.2.1")
    headers = [one.decide(request, None).headers for _ in range(5)]
    policy = {"RateLimit-Policy": '"login";q=20;w=50'}
    assert headers[0] == {"RateLimit": '"login";r=15', **policy}
    assert headers[3] == {"RateLimit": '"login";r=0', **policy}
    assert headers[4] == {"RateLimit": '"login";r=0;t=13', "Retry-After": "13", **policy}


def test_the_state_in_redis_decides_if_there_is_one() -> None:
    one = limiter(rate_limit_login="20/20")
    request = one.request((("login", 1),), None, "192.0.2.1")
    assert one.decide(request, b'"login";r=7').headers["RateLimit"] == '"login";r=7'
    refused = one.decide(request, b"1700000000000000 1700000019000001")
    assert refused.wait_s == 1
    assert (
        str(one.refusal(refused)) == "There were too many operations for the rate limit login; try again in 1 second."
    )


def test_a_client_that_redis_refused_gets_no_new_quota_without_redis() -> None:
    clock = Time()
    one = limiter(clock, workers=2, rate_limit_login="40/40")
    request = one.request((("login", 1),), None, "192.0.2.1")
    assert one.decide(request, b"1700000000000000 1700000040000000").wait_s == 1
    assert not admitted(one, "192.0.2.1")
    clock.now_s += 10
    # Half of the quota belongs to this worker, and a quarter of the window has passed.
    assert [admitted(one, "192.0.2.1") for _ in range(6)] == [True] * 5 + [False]


def test_the_first_refusal_of_each_minute_is_audited() -> None:
    clock = Time()
    one = limiter(clock, rate_limit_login="20/1000")
    found = []
    for address in ["192.0.2.1", "192.0.2.2"]:
        request = one.request((("login", 20),), None, address)
        one.decide(request, None)
        found += [one.is_first_refusal(request, one.decide(request, None)) for _ in range(3)]
        clock.now_s += 59.9
        found.append(one.is_first_refusal(request, one.decide(request, None)))
        clock.now_s += 0.2
        found.append(one.is_first_refusal(request, one.decide(request, None)))
    assert found == [True, False, False, False, True] * 2


@pytest.mark.parametrize("wrong", ["19/60", "20", "20/0", "20/86401", "1000001/1", "20/60s", "-20/60", "", "20/٦٠"])
def test_a_wrong_rate_limit_is_refused_with_the_valid_form(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be operations and seconds such as 300/150"):
        limiter(rate_limit_login=wrong)
