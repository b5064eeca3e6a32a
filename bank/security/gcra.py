"""The decision of a rate limit: GCRA, the generic cell rate algorithm (ITU-T I.371, annex A).

The state of a limit is one number, the theoretical arrival time (TAT): the time at which the whole quota is free again.
An operation moves it by the interval. If it would move further ahead of now than the whole window, the quota is used
up. So in any period of t seconds, at most `quota + quota / window * t` operations are admitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bank.settings import RateLimit


@dataclass(frozen=True)
class Policy:
    """A rate limit with its name."""

    name: str
    limit: RateLimit

    @cached_property
    def interval_us(self) -> int:
        """The time in which the quota of one operation is restored, rounded up so that the limit is not exceeded."""
        return -(-self.limit.window_s * 1_000_000 // self.limit.quota)

    @cached_property
    def tolerance_us(self) -> int:
        """The time in which the whole quota is restored."""
        return self.limit.quota * self.interval_us


class Usage(NamedTuple):
    """The quota that one request uses of one policy: the number of its operations."""

    policy: Policy
    cost: int


class QuotaState(NamedTuple):
    """The state of one policy after a request. `wait_us` is the time until the refused cost is free, 0 if it is free.

    `tat_us` is the new theoretical arrival time.
    """

    policy: Policy
    tat_us: int
    remaining: int
    wait_us: int


def decide(usages: Sequence[Usage], tats_us: Sequence[int], now_us: int) -> tuple[QuotaState, ...]:
    """Return the state of each policy after a request that needs quota of all of them.

    `tats_us` are the theoretical arrival times before the request. If one policy refuses, no quota is used.
    """
    waits = [
        max(tat, now_us) + usage.cost * usage.policy.interval_us - usage.policy.tolerance_us - now_us
        for usage, tat in zip(usages, tats_us, strict=True)
    ]
    admitted = all(wait <= 0 for wait in waits)
    states = []
    for usage, tat, wait in zip(usages, tats_us, waits, strict=True):
        policy = usage.policy
        after = max(tat, now_us) + (usage.cost * policy.interval_us if admitted else 0)
        remaining = (policy.tolerance_us - (after - now_us)) // policy.interval_us
        states.append(QuotaState(policy, after, remaining, max(wait, 0)))
    return tuple(states)


def divided(policy: Policy, workers: int, *, at_least: int) -> Policy:
    """Return the share of one of several workers in a policy. Its quota is at least `at_least`."""
    limit = policy.limit
    quota = max(limit.quota // workers, at_least)
    # The window is longer if the quota was raised, so that all workers together never exceed the rate.
    return Policy(policy.name, RateLimit(quota, -(-limit.window_s * workers * quota // limit.quota)))
