"""Lockout: after too many failed logins, further attempts wait, longer each time (OWASP ASVS 5.0, 6.3.1).

Failures are counted in buckets (decision 0039): the account as seen from unknown devices, one known device of the
account, one session that asks for the password again, and the network that the requests come from. So somebody
elsewhere cannot lock the owner out of a device that the bank knows.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from bank.events.types.sessions import ACCOUNT, DEVICE, SESSION, SOURCE


class Bucket(NamedTuple):
    """A counter of failed logins: its kind, and a keyed digest of what it counts for."""

    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayPolicy:
    """The rule of one kind of bucket.

    The first `free` failures have no delay. The next one has a delay of a second, and each further one twice as much,
    up to `longest`. With `forgiven_every`, one failure is forgiven after each such time, without it all of them after
    a quiet day.
    """

    free: int
    longest: timedelta
    forgiven_every: timedelta | None = None


FIRST_DELAY = timedelta(seconds=1)
QUIET = timedelta(days=1)
"""The time without a failure after which all are forgiven."""

POLICIES = {
    # People mistype a password a few times, and then reset it. With the longest delay, a program guesses 100 passwords
    # a day, and the owner waits no longer than for a cup of coffee.
    ACCOUNT: DelayPolicy(free=5, longest=timedelta(minutes=15)),
    DEVICE: DelayPolicy(free=5, longest=timedelta(minutes=15)),
    # Requests of a session that ask for the password again.
    SESSION: DelayPolicy(free=5, longest=timedelta(minutes=15)),
    # A phone company puts thousands of people behind one address, who mistype thousands of passwords a day. So the
    # delay is short, and 2,880 failures a day are forgiven.
    SOURCE: DelayPolicy(free=100, longest=timedelta(minutes=1), forgiven_every=timedelta(seconds=30)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The failures of a bucket. `counted_at` is the last failure; with `forgiven_every`, the last time of forgiving."""

    count: int
    counted_at: datetime
    locked_until: datetime | None = None

    def is_locked(self, now: datetime) -> bool:
        """Return whether an attempt now is refused without a look at the password."""
        return self.locked_until is not None and now < self.locked_until


def count_failure(policy: DelayPolicy, failures: Failures, now: datetime) -> Failures:
    """Return the failures of a bucket after one more. Ends the delay of the ones before, and begins its own."""
    remaining = _forgive(policy, failures, now)
    count = remaining.count + 1
    delay = delay_after(policy, count)
    return Failures(
        count=count,
        counted_at=now if policy.forgiven_every is None or remaining.count == 0 else remaining.counted_at,
        locked_until=now + delay if delay else None,
    )


def delay_after(policy: DelayPolicy, count: int) -> timedelta:
    """Return the delay that begins with this number of failures."""
    beyond = count - policy.free
    if beyond <= 0:
        return timedelta(0)
    # Doubling further than the longest delay would only make huge numbers.
    doublings = min(beyond - 1, int(policy.longest / FIRST_DELAY).bit_length())
    return min(policy.longest, FIRST_DELAY * (1 << doublings))


def is_escalation(policy: DelayPolicy, before: int, after: int) -> bool:
    """Return whether a failure made the delay longer. `before` is the number of failures before any were forgiven."""
    return delay_after(policy, after) > delay_after(policy, before)


def _forgive(policy: DelayPolicy, failures: Failures, now: datetime) -> Failures:
    quiet = now - failures.counted_at
    if policy.forgiven_every is None:
        return replace(failures, count=0) if quiet >= QUIET else failures
    forgiven = max(0, quiet // policy.forgiven_every)
    return replace(
        failures,
        count=max(0, failures.count - forgiven),
        counted_at=failures.counted_at + forgiven * policy.forgiven_every,
    )


class Verdict(Enum):
    """The decision on an attempt to log in."""

    ADMIT = "admit"
    WRONG = "wrong"
    LOCKED = "locked"


def decide_login(*, was_locked: bool, is_locked: bool, matches: bool) -> Verdict:
    """Decide on a login whose password was compared; `matches` is the result.

    `was_locked` is the state before the comparison: then nothing is said about the password, and nothing is counted.
    `is_locked` is the state after it, under the locks of the buckets. Of many attempts at the same time, those that are
    compared after the others have failed are refused as well, also with the right password. Wrong ones are counted.
    """
    if was_locked:
        return Verdict.LOCKED
    if not matches:
        return Verdict.WRONG
    return Verdict.LOCKED if is_locked else Verdict.ADMIT
