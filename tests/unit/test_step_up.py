"""The decision whether a payment needs a fresh second factor."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from bank.identity.step_up import StepUpPolicy, step_up_policy
from bank.identity.tokens import Caller
from bank.settings import Settings

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
POLICY = StepUpPolicy(above_minor=1_000_000, fresh_for=timedelta(minutes=5))


def caller(proved_ago_s: float | None = None, *, own_minor: int | None = None) -> Caller:
    proved_at = None if proved_ago_s is None else NOW - timedelta(seconds=proved_ago_s)
    return Caller(uuid4(), "CUSTOMER", uuid4(), step_up_above_minor=own_minor).with_second_factor(proved_at)


@pytest.mark.parametrize(
    ("amount_minor", "proved_ago_s", "needed"),
    [
        (1_000_000, None, False),
        (1_000_001, None, True),
        (1_000_001, 0, False),
        (1_000_001, 300, False),
        (1_000_001, 301, True),
        (1_000_000, 301, False),
        # The clock of the worker that verified the code is ahead.
        (1_000_001, -2, False),
    ],
)
def test_an_amount_above_the_limit_needs_a_proof_of_the_last_minutes(
    amount_minor: int, proved_ago_s: float | None, needed: bool
) -> None:
    assert POLICY.needs_code(caller(proved_ago_s), amount_minor, NOW) is needed


@pytest.mark.parametrize(("own_minor", "limit_minor"), [(None, 1_000_000), (0, 0), (500, 500), (2_000_000, 1_000_000)])
def test_an_own_limit_only_lowers_that_of_the_bank(own_minor: int | None, limit_minor: int) -> None:
    assert POLICY.needs_code(caller(own_minor=own_minor), limit_minor + 1, NOW)
    assert not POLICY.needs_code(caller(own_minor=own_minor), limit_minor, NOW)


@pytest.mark.parametrize(
    ("old_minor", "new_minor", "proved_ago_s", "code"),
    [
        (None, 500, None, None),
        (500, 0, None, None),
        (500, 500, None, None),
        (None, None, None, None),
        (500, 501, None, "SECOND_FACTOR_REQUIRED"),
        (500, None, 301, "SECOND_FACTOR_REQUIRED"),
        (500, 501, 300, None),
        (500, None, 300, None),
        (None, 1_000_001, 0, "INVALID_AMOUNT"),
        # The bank has lowered its limit since: the removal changes nothing.
        (2_000_000, None, None, None),
    ],
)
def test_a_limit_is_lowered_at_once_and_raised_or_removed_with_a_fresh_code(
    old_minor: int | None, new_minor: int | None, proved_ago_s: float | None, code: str | None
) -> None:
    refusal = POLICY.decide_limit(caller(proved_ago_s), old_minor, new_minor, NOW)
    assert (refusal and refusal.code) == code


def test_the_refusal_says_what_to_do() -> None:
    refusal = POLICY.refusal(caller(own_minor=5_000), "transfers")
    assert refusal.code == "SECOND_FACTOR_REQUIRED"
    assert refusal.field == ("input", "transfers")
    assert refusal.message.startswith("More than 50.00 BRL needs a code of your second factor from the last 5 minutes")


def test_the_settings_give_the_limit_in_minor_units_and_the_time_in_minutes() -> None:
    secret = SecretStr("9b1f4c7e2a5d8036b9c2e5f81a4d70c3")
    urls = {"database_url": "postgresql://bank@localhost/bank", "redis_url": "redis://localhost/0"}
    given: dict[str, Any] = {**urls, "token_secret": secret, "master_key": secret}
    assert step_up_policy(Settings(**given)) == POLICY
    policy = step_up_policy(Settings(**given, step_up_above=Decimal(0), step_up_minutes=1))
    assert policy == StepUpPolicy(above_minor=0, fresh_for=timedelta(minutes=1))
