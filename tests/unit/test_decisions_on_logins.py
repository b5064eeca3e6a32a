"""The delays after failed logins, and the decision on an attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.events.types.sessions import ACCOUNT, DEVICE, SESSION, SOURCE
from bank.identity.lockout import (
    POLICIES,
    QUIET,
    Failures,
    Verdict,
    count_failure,
    decide_login,
    delay_after,
    is_escalation,
)
from bank.privacy.policy import POLICY

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)
NONE = Failures(count=0, counted_at=NOW)
S = timedelta(seconds=1)

pauses = st.lists(st.timedeltas(timedelta(0), timedelta(days=2)), max_size=40)


def failed(kind: str, times: int, *, every: timedelta = timedelta(0)) -> Failures:
    failures, now = NONE, NOW
    for _ in range(times):
        failures = count_failure(POLICIES[kind], failures, now)
        now += every
    return failures


@pytest.mark.parametrize("kind", [ACCOUNT, DEVICE, SESSION])
def test_five_failures_are_free_then_the_delay_doubles_up_to_a_quarter_of_an_hour(kind: str) -> None:
    delays = [delay_after(POLICIES[kind], count) / S for count in range(18)]
    assert delays == [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_a_network_has_a_hundred_free_failures_and_a_minute_at_most() -> None:
    delays = [delay_after(POLICIES[SOURCE], count) / S for count in (100, 101, 102, 106, 107, 108, 10_000)]
    assert delays == [0, 1, 2, 32, 60, 60, 60]


def test_a_bucket_is_locked_until_the_end_of_its_delay() -> None:
    failures = failed(ACCOUNT, 8)
    assert failures.is_locked(NOW + 4 * S - A_MOMENT)
    assert not failures.is_locked(NOW + 4 * S)
    assert not failed(ACCOUNT, 5).is_locked(NOW)


def test_a_quiet_day_forgives_all_failures_of_an_account() -> None:
    failures = failed(ACCOUNT, 12)
    assert count_failure(POLICIES[ACCOUNT], failures, NOW + QUIET - A_MOMENT).count == 13
    after = count_failure(POLICIES[ACCOUNT], failures, NOW + QUIET)
    assert (after.count, after.locked_until) == (1, None)


def test_the_failures_of_a_network_are_forgiven_one_by_one() -> None:
    failures = failed(SOURCE, 103)
    assert count_failure(POLICIES[SOURCE], failures, NOW + timedelta(seconds=29)).count == 104
    assert count_failure(POLICIES[SOURCE], failures, NOW + timedelta(seconds=61)).count == 102
    assert count_failure(POLICIES[SOURCE], failures, NOW + timedelta(days=1)).count == 1


def test_a_network_whose_people_mistype_all_day_is_never_locked() -> None:
    # Without the part of a period that has passed, a failure each 29 seconds would never be forgiven.
    assert failed(SOURCE, 3_000, every=timedelta(seconds=31)).locked_until is None
    assert failed(SOURCE, 3_000, every=timedelta(seconds=45)).count == 1


@given(pauses)
def test_a_failure_never_shortens_a_delay_of_an_account(pauses: list[timedelta]) -> None:
    failures, now = NONE, NOW
    for pause in pauses:
        now += pause
        after = count_failure(POLICIES[ACCOUNT], failures, now)
        assert after.count == (1 if pause >= QUIET else failures.count + 1)
        if failures.is_locked(now):
            assert after.is_locked(now)
        failures = after


@given(pauses)
def test_no_more_failures_are_forgiven_than_the_time_allows(pauses: list[timedelta]) -> None:
    policy, failures, now = POLICIES[SOURCE], NONE, NOW
    for number, pause in enumerate(pauses, start=1):
        now += pause
        failures = count_failure(policy, failures, now)
        assert policy.forgiven_every is not None
        assert 1 <= failures.count <= number
        assert failures.count >= number - (now - NOW) // policy.forgiven_every
        assert failures.counted_at <= now


def test_only_a_longer_delay_is_an_escalation() -> None:
    policy = POLICIES[ACCOUNT]
    steps = [is_escalation(policy, count, count + 1) for count in range(20)]
    assert steps == [False] * 5 + [True] * 11 + [False] * 4
    # After failures were forgiven, the same delay again is none.
    assert not is_escalation(POLICIES[SOURCE], 104, 104)
    assert not is_escalation(policy, 16, 1)


@given(st.booleans(), st.booleans(), st.booleans())
def test_nothing_is_decided_about_a_password_during_a_delay(
    was_locked: bool, is_locked: bool, password_matches: bool
) -> None:
    verdict = decide_login(was_locked=was_locked, is_locked=is_locked, matches=password_matches)
    if was_locked:
        assert verdict is Verdict.LOCKED
    elif not password_matches:
        assert verdict is Verdict.WRONG
    else:
        assert verdict is (Verdict.LOCKED if is_locked else Verdict.ADMIT)


def test_failures_are_stored_until_they_are_forgiven() -> None:
    assert POLICY["login_failures"].keep >= QUIET
    source = POLICIES[SOURCE]
    assert source.forgiven_every is not None
    assert POLICY["login_failures"].keep >= source.free * source.forgiven_every
