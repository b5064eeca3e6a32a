"""The rules of suspicious activity, each at the borders of its amounts, numbers and times."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from bank.events.types.suspicious_activity import SuspiciousActivityDetectedEvent
from bank.identifiers import uuid7
from bank.privacy.policy import POLICY
from bank.security.detect import (
    CREDENTIAL_CHANGE,
    FAILED_LOGIN,
    NAMED_MAX,
    NEW_DEVICE,
    REGISTRATION,
    Observation,
    Payment,
    SmallPayment,
    find_in_payment,
    find_registrations,
    find_structuring,
    find_stuffing,
    network_id,
)
from bank.security.rules import NAMES, RULES, Rules

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)
NETWORK = bytes(range(32))
OWNER, ACCOUNT = uuid7(), uuid7()
STUFFING, REGISTRATIONS, STRUCTURING = RULES.credential_stuffing, RULES.mass_registration, RULES.structuring


def observed(position: int, at: datetime = NOW, *, kind: str = FAILED_LOGIN, user: UUID | None = None) -> Observation:
    network = NETWORK if kind in {FAILED_LOGIN, REGISTRATION} else None
    return Observation(position=position, kind=kind, at=at, network=network, user_id=user or uuid7())


def failures(count: int, every: timedelta) -> list[Observation]:
    return [observed(n, NOW + (n - 1) * every) for n in range(1, count + 1)]


def stuffing(found: Sequence[Observation], new: Sequence[int] | None = None) -> list[SuspiciousActivityDetectedEvent]:
    return list(find_stuffing(STUFFING, found, [one.position for one in found] if new is None else new))


def payment(amount_minor: int, **more: Any) -> Payment:
    usual = Payment(
        position=100,
        transaction_id=uuid7(),
        at=NOW,
        account_id=ACCOUNT,
        version=9,
        owner_id=OWNER,
        customer_since=NOW - timedelta(days=400),
        amount_minor=amount_minor,
        currency="BRL",
        balance_before_minor=10 * amount_minor,
        active_at=NOW - timedelta(days=1),
    )
    return replace(usual, **more)


def rules_of(paid: Payment, *observations: Observation) -> list[str]:
    return [event.rule for event in find_in_payment(RULES, paid, observations)]


def test_failed_logins_of_ten_accounts_in_a_minute_are_found() -> None:
    assert stuffing(failures(9, timedelta(seconds=1))) == []
    [event] = stuffing(failures(10, timedelta(seconds=1)))
    assert (event.rule, event.subject_type, event.subject_id) == ("credential_stuffing", "Network", network_id(NETWORK))
    assert (event.count, event.positions, event.person_id) == (10, tuple(range(1, 11)), None)
    assert event.period_begins_at == datetime(2031, 2, 3, 4, tzinfo=UTC)


def test_failed_logins_of_one_account_are_not_found() -> None:
    assert stuffing([observed(n, user=OWNER) for n in range(1, 200)]) == []


def test_addresses_of_nobody_count_as_accounts() -> None:
    unknown = [replace(observed(n), user_id=None, address_digest=f"{n:032x}") for n in range(1, 11)]
    assert len(stuffing(unknown)) == 1
    assert stuffing([replace(one, address_digest="0" * 32) for one in unknown]) == []


def test_failures_before_the_window_do_not_count() -> None:
    window = STUFFING.window_time
    assert stuffing([observed(1, NOW), *(observed(n, NOW + window) for n in range(2, 11))]) == []
    assert len(stuffing([observed(1, NOW), *(observed(n, NOW + window - A_MOMENT) for n in range(2, 11))])) == 1


def test_only_new_observations_can_end_a_burst() -> None:
    assert stuffing(failures(30, timedelta(0)), new=[]) == []
    [event] = stuffing(failures(30, timedelta(0)), new=[30])
    assert event.count == 30
    assert event.positions == tuple(range(31 - NAMED_MAX, 31)), "the last ones"


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 14)), max_size=60))
def test_a_burst_is_one_of_the_simplest_definition(made: list[tuple[int, int]]) -> None:
    users = [uuid7() for _ in range(15)]
    found = [
        observed(n, NOW + timedelta(seconds=second), user=users[user])
        for n, (second, user) in enumerate(sorted(made), start=1)
    ]
    expected = []
    for last in found:
        window = [one for one in found[: last.position] if one.at > last.at - STUFFING.window_time]
        if len({one.user_id for one in window}) >= STUFFING.accounts:
            expected.append(last.position)
    assert [event.positions[-1] for event in stuffing(found)] == expected


def test_twenty_registrations_in_ten_minutes_are_found() -> None:
    made = [observed(n, NOW + n * timedelta(seconds=29), kind=REGISTRATION) for n in range(1, 21)]
    assert list(find_registrations(REGISTRATIONS, made[:19], range(30))) == []
    [event] = find_registrations(REGISTRATIONS, made, range(30))
    assert (event.rule, event.count) == ("mass_registration", 20)
    slow = [observed(n, NOW + n * timedelta(seconds=32), kind=REGISTRATION) for n in range(1, 200)]
    assert list(find_registrations(REGISTRATIONS, slow, range(200))) == []


def test_a_large_payment_after_a_new_device_is_found() -> None:
    device = observed(50, NOW - timedelta(hours=23), kind=NEW_DEVICE, user=OWNER)
    [event] = find_in_payment(RULES, payment(500_000), [device])
    assert (event.rule, event.subject_type, event.subject_id) == ("new_device_payment", "User", OWNER)
    assert (event.positions, event.amount_minor, event.person_id) == ((50, 100), 500_000, OWNER)
    assert rules_of(payment(499_999), device) == [], "not large"
    assert rules_of(payment(500_000)) == [], "a known device"
    assert rules_of(payment(500_000), replace(device, at=NOW - timedelta(hours=24))) == [], "a day ago"
    assert rules_of(payment(500_000), replace(device, position=101)) == [], "after the payment"


def test_every_device_of_a_customer_of_today_is_new() -> None:
    device = observed(50, NOW, kind=NEW_DEVICE, user=OWNER)
    today = payment(500_000, customer_since=NOW - timedelta(hours=24) + A_MOMENT)
    assert rules_of(today, device) == []
    assert rules_of(replace(today, customer_since=NOW - timedelta(hours=24)), device) == ["new_device_payment"]


def test_taking_most_of_the_balance_after_a_change_of_credentials_is_found() -> None:
    change = observed(50, NOW - timedelta(hours=1), kind=CREDENTIAL_CHANGE, user=OWNER)
    most = payment(100_000, balance_before_minor=125_000)
    [event] = find_in_payment(RULES, most, [change])
    assert (event.rule, event.subject_id, event.positions) == ("cash_out", OWNER, (50, 100))
    assert rules_of(replace(most, balance_before_minor=125_001), change) == [], "less than 80 %"
    assert rules_of(payment(99_999, balance_before_minor=99_999), change) == [], "a small amount"
    assert rules_of(most) == []
    assert rules_of(most, replace(change, at=NOW - timedelta(hours=24))) == []


def test_a_payment_from_a_dormant_account_is_found() -> None:
    dormant = payment(100_000, active_at=NOW - timedelta(days=180))
    [event] = find_in_payment(RULES, dormant, [])
    assert (event.rule, event.subject_type, event.subject_id) == ("dormant_account", "Account", ACCOUNT)
    assert event.person_id == OWNER
    assert rules_of(replace(dormant, active_at=dormant.active_at + A_MOMENT)) == []
    assert rules_of(replace(dormant, amount_minor=99_999)) == []


def structured(
    count: int, amount_minor: int, *, recipients: int = 1, every: timedelta = timedelta(minutes=1)
) -> list[SuspiciousActivityDetectedEvent]:
    """Return what is found in the last of a number of payments."""
    to = [uuid7() for _ in range(recipients)]
    small = [SmallPayment(uuid7(), to[n % recipients], amount_minor, NOW + n * every) for n in range(count)]
    last = payment(amount_minor, transaction_id=small[-1].transaction_id, at=small[-1].at)
    return list(find_structuring(STRUCTURING, small, [last]))


def test_many_small_payments_to_few_recipients_are_found() -> None:
    [event] = structured(10, 500_000)
    assert (event.rule, event.subject_id, event.person_id) == ("structuring", ACCOUNT, OWNER)
    assert (event.count, event.amount_minor, len(event.transaction_ids)) == (10, 5_000_000, 10)
    assert structured(9, 900_000) == [], "too few"
    assert structured(10, 499_999) == [], "together not enough"
    assert len(structured(12, 500_000, recipients=3)) == 1


def test_salaries_are_not_structuring() -> None:
    assert structured(200, 450_000, recipients=200) == []


def test_small_payments_of_many_days_are_not_structuring() -> None:
    assert structured(30, 900_000, every=timedelta(hours=3)) == []
    assert len(structured(30, 900_000, every=timedelta(hours=2))) == 1


def test_a_withdrawal_is_no_structuring() -> None:
    assert list(find_structuring(STRUCTURING, [], [payment(500_000)])) == []


def test_the_range_of_small_payments() -> None:
    small = [amount for amount in (99_999, 100_000, 999_999, 1_000_000) if STRUCTURING.is_small(amount)]
    assert small == [100_000, 999_999]


@pytest.mark.parametrize("name", NAMES)
def test_an_observation_is_kept_for_the_window_of_each_rule_that_needs_it(name: str) -> None:
    rule = getattr(RULES, name)
    if name != "dormant_account":  # its evidence is in the ledger
        assert rule.window_time <= POLICY["security_observations"].keep


def test_no_payment_below_the_least_amount_is_looked_at() -> None:
    assert RULES.amount_minor == 100_000


@pytest.mark.parametrize(
    ("moment", "begins"),
    [
        (datetime(2031, 2, 3, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2031, 2, 3, tzinfo=UTC)),
        (datetime(2031, 2, 4, 0, 0, tzinfo=UTC), datetime(2031, 2, 4, tzinfo=UTC)),
    ],
)
def test_a_period_of_a_day_begins_at_midnight(moment: datetime, begins: datetime) -> None:
    assert RULES.cash_out.period_of(moment) == begins


def read(**changes: dict[str, Any]) -> Rules:
    document = tomllib.loads(contracts.SUSPICIOUS_ACTIVITY.read_text(encoding="utf-8"))
    return msgspec.convert({name: {**rule, **changes.get(name, {})} for name, rule in document.items()}, Rules)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cash_out": {"amount": "1,000.00"}},
        {"cash_out": {"window": "1 fortnight"}},
        {"cash_out": {"percent": 101}},
        {"structuring": {"below": "0.50"}},
        {"structuring": {"recipients": 0}},
        {"mass_registration": {"period": "7 hours"}},
        {"mass_registration": {"registrations": 1}},
        {"credential_stuffing": {"accounts": 1}},
        {"dormant_account": {"colour": "red"}},
    ],
)
def test_a_wrong_rule_stops_the_start(wrong: dict[str, Any]) -> None:
    assert read() == RULES
    with pytest.raises(msgspec.ValidationError):
        read(**wrong)


def test_every_rule_has_a_reason() -> None:
    assert all(getattr(RULES, name).reason.endswith(".") for name in NAMES)
