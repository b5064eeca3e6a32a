"""Rate limits per person and per client address, for each class of operations (OWASP API Security Top 10 2023, API4).

The state of the limits is in Redis, so that all workers share it. While Redis is unavailable, each worker continues
with the states that it knows and its share of each limit. So the limits hold without Redis, and nothing else depends on
them (R10).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cachetools import LRUCache, TTLCache

from bank.errors import BankError
from bank.networks import is_within, network_of
from bank.security.gcra import Policy, QuotaState, Usage, decide, divided
from bank.settings import QUOTA_MIN, Settings
from bank.telemetry import metrics

# The states that a worker knows: 10 MB. Beyond it, the limit of the client that was
# seen longest ago begins anew.
STATES_MAX = 50_000
# The first refusal of a person or address in this time is audited. The others are only counted, since a flood of
# refused requests would otherwise write to the database as much as a flood of accepted ones.
AUDITED_ONCE_IN_S = 60.0
# Clients whose last audited refusal a worker remembers: 2 MB. Beyond it, some are audited more often.
AUDITED_MAX = 20_000

# The last requests of different clients and costs: 8 MB. It takes 6 µs to make one, and cached reads take 300.
REQUESTS_REMEMBERED = 8_192

LOGIN, REGISTRATION, EXPORT, MONEY, READ = "login", "registration", "export", "money", "read"
# The classes of mutations. Every other mutation moves money or changes an account or a session.
CLASS_OF_MUTATION = {
    "register": REGISTRATION,
    "exportMyData": EXPORT,
    # Each verifies a password or a code.
    **dict.fromkeys(
        (
            "login",
            "changePassword",
            "changeEmail",
            "changePhone",
            "enrolSecondFactor",
            "confirmSecondFactor",
            "disableSecondFactor",
            "renewRecoveryCodes",
            "verifySecondFactor",
        ),
        LOGIN,
    ),
}


class RateLimited(BankError):
    """A rate limit is exceeded; nothing was done."""

    code = "RATE_LIMITED"
    retryable = True


class Admission(NamedTuple):
    """The decision on a request: the header fields of the IETF draft `ratelimit-headers`, and the refusing policies.

    `wait_s` is the time until the same request is admitted, in seconds, rounded up; 0 if it is admitted.
    """

    headers: dict[str, str]
    refused_by: tuple[str, ...] = ()
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """The quota that one request needs. `keys` name each policy with the client that it limits.

    `text` is the quota for Redis, `policy_header` the policies for the client. Without usages there is no limit.
    """

    usages: tuple[Usage, ...]
    keys: tuple[str, ...]
    text: str
    policy_header: str


UNLIMITED = QuotaRequest((), (), "", "")
_ADMITTED = Admission({})


@lru_cache(maxsize=1024)
def operation_costs(kind: str, roots: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return each class of the operations in a document, with their number. Each root field is one operation."""
    classes = [CLASS_OF_MUTATION.get(root, MONEY) if kind == "mutation" else READ for root in roots]
    return tuple((name, classes.count(name)) for name in dict.fromkeys(classes))


@lru_cache(maxsize=1024)
def repeats_credentials(kind: str, roots: tuple[str, ...]) -> bool:
    """Return whether a document has more than one login, registration or other check of a password or a code."""
    checks = [root for root in roots if CLASS_OF_MUTATION.get(root) in {LOGIN, REGISTRATION}]
    return kind == "mutation" and len(checks) > 1


# A request without a valid document counts as one read of its address.
COSTS_OF_INVALID = ((READ, 1),)


class RateLimiter:
    """The rate limits of this worker. `workers` returns the number of workers, for the time without Redis."""

    def __init__(
        self, settings: Settings, workers: Callable[[], int], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._of_address = {
            LOGIN: Policy("login", settings.rate_limit_login),
            REGISTRATION: Policy("registration", settings.rate_limit_registration),
            MONEY: Policy("money-address", settings.rate_limit_money_address),
            READ: Policy("read-address", settings.rate_limit_read_address),
        }
        # An export is possible only with a fresh login, which has a limit of its address.
        self._of_address[EXPORT] = self._of_address[MONEY]
        # A login and a registration have no person yet.
        self._of_person = {
            EXPORT: Policy("export", settings.rate_limit_export),
            MONEY: Policy("money-person", settings.rate_limit_money_person),
            READ: Policy("read-person", settings.rate_limit_read_person),
        }
        self._workers = workers
        self._clock_s = clock_s
        self._states: LRUCache[str, int] = LRUCache(STATES_MAX)
        self._audited: TTLCache[str, None] = TTLCache(AUDITED_MAX, AUDITED_ONCE_IN_S, timer=clock_s)
        self._exempt = settings.rate_limit_exempt
        self.request = lru_cache(maxsize=REQUESTS_REMEMBERED)(self._request)

    def _request(self, costs: tuple[tuple[str, int], ...], person_id: UUID | None, address: str | None) -> QuotaRequest:
        """Return the quota that a request needs."""
        if is_within(address, self._exempt):
            return UNLIMITED
        person, network = str(person_id), network_of(address)
        of_person = [(policy, cost, person) for name, cost in costs if (policy := self._of_person.get(name))]
        of_address: dict[Policy, int] = {}
        for name, cost in costs:
            policy = self._of_address[name]
            of_address[policy] = of_address.get(policy, 0) + cost
        chosen = [
            *(of_person if person_id is not None else ()),
            *((policy, cost, network) for policy, cost in of_address.items()),
        ]
        return QuotaRequest(
            usages=tuple(Usage(policy, cost) for policy, cost, _ in chosen),
            keys=tuple(f"{policy.name}:{client}" for policy, _, client in chosen),
            text=" ".join(
                f"{policy.name} {client} {cost * policy.interval_us} {policy.interval_us} {policy.tolerance_us}"
                for policy, cost, client in chosen
            ),
            policy_header=", ".join(
                f'"{policy.name}";q={policy.limit.quota};w={policy.limit.window_s}' for policy, _, _ in chosen
            ),
        )

    def decide(self, request: QuotaRequest, quota: bytes | None) -> Admission:
        """Return the decision. `quota` is what Redis returned, or None if it is unavailable."""
        if not request.usages:
            return _ADMITTED
        if quota is not None and quota[:1] == b'"':
            return Admission({"RateLimit": quota.decode(), "RateLimit-Policy": request.policy_header})
        own_now_us = int(self._clock_s() * 1_000_000)
        if quota is None:
            now_us = own_now_us
            states = self._decide_alone(request, now_us)
        else:
            now_us, *tats_us = map(int, quota.split())
            states = decide(request.usages, tats_us, now_us)
        # The share of a worker has the same window as the whole. So this is also the state with which the worker
        # continues if Redis becomes unavailable, and a refused client does not get a second quota then.
        for key, state in zip(request.keys, states, strict=True):
            self._states[key] = state.tat_us - now_us + own_now_us
        refused_by = tuple(state.policy.name for state in states if state.wait_us)
        for name in refused_by:
            metrics.RATE_LIMITED.labels(name).inc()
        headers = {"RateLimit": ", ".join(map(_limit, states)), "RateLimit-Policy": request.policy_header}
        wait_s = _seconds(max(state.wait_us for state in states))
        if wait_s:
            headers["Retry-After"] = str(wait_s)
        return Admission(headers, refused_by, wait_s)

    @staticmethod
    def refusal(admission: Admission) -> RateLimited:
        """Return the error for a refused request."""
        seconds = f"{admission.wait_s} second{'s' if admission.wait_s > 1 else ''}"
        names = " and ".join(admission.refused_by)
        return RateLimited(f"There were too many operations for the rate limit {names}; try again in {seconds}.")

    def is_first_refusal(self, request: QuotaRequest, admission: Admission) -> bool:
        """Return whether this is the first refusal of the person or the address within a minute, to be audited."""
        refused = [key for key in request.keys if key.partition(":")[0] in admission.refused_by]
        is_first = any(key not in self._audited for key in refused)
        for key in refused:
            self._audited.setdefault(key)
        return is_first

    def _decide_alone(self, request: QuotaRequest, now_us: int) -> tuple[QuotaState, ...]:
        workers = max(self._workers(), 1)
        usages = [Usage(_share(usage.policy, workers), usage.cost) for usage in request.usages]
        return decide(usages, [self._states.get(key, 0) for key in request.keys], now_us)


@lru_cache(maxsize=256)
def _share(policy: Policy, workers: int) -> Policy:
    return divided(policy, workers, at_least=QUOTA_MIN)


def _limit(state: QuotaState) -> str:
    """Return a member of the header RateLimit. `t` is the time until a refused request is admitted."""
    member = f'"{state.policy.name}";r={state.remaining}'
    return f"{member};t={_seconds(state.wait_us)}" if state.wait_us else member


def _seconds(microseconds: int) -> int:
    return -(-microseconds // 1_000_000)
