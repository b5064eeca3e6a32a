"""Decisions on second factors: the codes of RFC 6238, each accepted once and for a short time."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.identity.second_factor import (
    RECOVERY_CODES,
    SKEW_STEPS,
    STEP_S,
    SecondFactor,
    accepted_counter,
    is_totp,
    new_recovery_codes,
    new_secret,
    normalise_code,
    otpauth_uri,
)

# The secret of RFC 6238, appendix B ("12345678901234567890"), in base32.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
# The times and codes of the same appendix for SHA-1, whose eight digits end in the six digits of the app.
VECTORS = [
    (59, "287082"),
    (1_111_111_109, "081804"),
    (1_111_111_111, "050471"),
    (1_234_567_890, "005924"),
    (2_000_000_000, "279037"),
    (20_000_000_000, "353130"),
]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert accepted_counter(SECRET, code, at(seconds), None) == seconds // STEP_S


@given(
    step=st.integers(10, 10**9),
    offset=st.integers(-5, 5),
    within=st.floats(0, STEP_S - 0.001),
    last=st.none() | st.integers(-5, 5),
)
def test_a_code_is_accepted_one_step_early_or_late_and_only_after_the_last_one(
    step: int, offset: int, within: float, last: int | None
) -> None:
    code = pyotp.TOTP(SECRET).generate_otp(step + offset)
    last_counter = None if last is None else step + last
    accepted = accepted_counter(SECRET, code, at(step * STEP_S + within), last_counter)
    is_valid = abs(offset) <= SKEW_STEPS and (last is None or offset > last)
    # Two steps have the same code once in a million times; then the earlier one counts.
    assert accepted == (step + offset if is_valid else None) or code in {
        pyotp.TOTP(SECRET).generate_otp(step + other) for other in range(-SKEW_STEPS, SKEW_STEPS + 1) if other != offset
    }


@pytest.mark.parametrize("code", ["", "28708", "2870820", "28708a", "000000"])
def test_other_texts_are_not_accepted(code: str) -> None:
    assert accepted_counter(SECRET, code, at(59), None) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("287082", "287082"),
        (" 287 082\n", "287082"),
        ("abcd-efgh-jklm-npqr", "ABCDEFGHJKLMNPQR"),
        ("ABCD EFGH JKLM NPQR", "ABCDEFGHJKLMNPQR"),
        ("", None),
        ("\uff12\uff18\uff17\uff10\uff18\uff12", None),
        ("287082;", None),
        ("1" * 41, None),
    ],
)
def test_a_code_is_read_without_separators(text: str, code: str | None) -> None:
    assert normalise_code(text) == code


def test_recovery_codes_are_random_and_are_not_taken_for_codes_of_the_app() -> None:
    codes = [code for _ in range(20) for code in new_recovery_codes()]
    assert len(set(codes)) == len(codes) == 20 * RECOVERY_CODES
    normal = [normalise_code(code) or "" for code in codes]
    assert {len(code) for code in normal} == {16}
    assert not any(is_totp(code) for code in normal)
    assert len(set("".join(normal))) == 32


def test_a_secret_has_160_bits_and_its_uri_is_read_by_apps() -> None:
    secret = new_secret()
    assert len(pyotp.TOTP(secret).byte_secret()) == 20
    uri = otpauth_uri(secret, "ana+bank@example.com")
    read = pyotp.parse_uri(uri)
    assert (read.secret, read.name, read.issuer) == (secret, "ana+bank@example.com", "Event-driven bank")


def test_a_secret_waits_15_minutes_for_its_first_code() -> None:
    factor = SecondFactor(pending_secret="enc1.1.AAAA", pending_since=at(0))
    assert factor.pending_at(at(15 * 60)) == "enc1.1.AAAA"
    assert factor.pending_at(at(15 * 60) + timedelta(microseconds=1)) is None
    assert not factor.is_confirmed
    confirmed = factor.confirmed(now=at(9), counter=3, recovery_digests=("00",))
    assert confirmed == SecondFactor(secret="enc1.1.AAAA", confirmed_at=at(9), last_counter=3, recovery_digests=("00",))
