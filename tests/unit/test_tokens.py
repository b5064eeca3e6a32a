"""Access tokens: only unexpired tokens with the bank's signature are valid."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from freezegun import freeze_time
from joserfc import jwt

from bank.clock import SystemClock
from bank.errors import Unauthenticated
from bank.identity.tokens import (
    AccessTokens,
    Caller,
    keyed_digest,
    new_refresh_token,
    refresh_token_digest,
    successor_of,
)

SECRET = "0123456789abcdef" * 4
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def caller(role: str = "CUSTOMER") -> Caller:
    return Caller(uuid4(), role, uuid4())


def test_a_token_identifies_the_caller() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    asked = caller("OPERATOR")
    token = tokens.issue(asked, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert tokens.verify(token) == asked
    assert AccessTokens(SECRET, SystemClock()).verify(token) == asked


def test_an_expired_token_is_refused_also_if_it_is_cached() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    with freeze_time(NOON) as time:
        token = tokens.issue(caller(), expires_at=NOON + timedelta(minutes=15))
        time.move_to(NOON + timedelta(minutes=15) - timedelta(seconds=1))
        tokens.verify(token)
        time.move_to(NOON + timedelta(minutes=15))
        for worker in (tokens, AccessTokens(SECRET, SystemClock())):
            with pytest.raises(Unauthenticated, match="expired"):
                worker.verify(token)


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: t + "x", lambda t: "x" + t, lambda t: t.split(".")[0]])
def test_a_changed_token_is_refused(spoil: object) -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    token = tokens.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert callable(spoil)
    with pytest.raises(Unauthenticated, match="not one of this bank's"):
        tokens.verify(spoil(token))


def test_a_token_of_another_secret_is_refused() -> None:
    stranger = AccessTokens("f" * 64, SystemClock())
    token = stranger.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        AccessTokens(SECRET, SystemClock()).verify(token)


CLAIMS: dict[str, Any] = {
    "iss": "event-driven-bank",
    "aud": "event-driven-bank/graphql",
    "sub": "01930000-0000-7000-8000-000000000001",
    "sid": "01930000-0000-7000-8000-000000000002",
    "role": "CUSTOMER",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 900,
}
HEADER = {"alg": "HS256", "typ": "at+jwt"}
IN_AN_HOUR = int(NOON.timestamp()) + 3600


def signed(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return a token with the bank's secret, and any header and claims."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(SECRET.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join((*parts, urlsafe_b64encode(signature).rstrip(b"="))).decode()


@freeze_time(NOON)
def test_a_token_of_the_expected_form_is_accepted() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    assert tokens.verify(signed(HEADER, CLAIMS)).role == "CUSTOMER"
    assert tokens.verify(signed(HEADER, {**CLAIMS, "nbf": CLAIMS["iat"]})).role == "CUSTOMER"


FOREIGN_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "another-bank"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-api"},
    "several audiences": {"aud": ["event-driven-bank/graphql", "another-api"]},
    "another role": {"role": "ROOT"},
    "roles": {"role": ["ADMIN"]},
    "no user": {"sub": "admin"},
    "no session": {"sid": ""},
    "not yet good": {"nbf": IN_AN_HOUR, "exp": IN_AN_HOUR + 900},
    "issued later": {"iat": IN_AN_HOUR, "exp": IN_AN_HOUR + 900},
    "issued after its end": {"iat": CLAIMS["exp"]},
    "not before its end": {"nbf": CLAIMS["exp"]},
    "an end in words": {"exp": "2030-01-01"},
    "an end that is true": {"exp": True},
    "no end in sight": {"exp": float("inf")},
    "no number": {"exp": float("nan")},
    "a fraction": {"exp": CLAIMS["exp"] + 0.5},
}
FOREIGN_HEADERS: dict[str, dict[str, Any]] = {
    "another type": {"alg": "HS256", "typ": "JWT"},
    "no type": {"alg": "HS256"},
    "a refresh token": {"alg": "HS256", "typ": "rt+jwt"},
    "another algorithm": {"alg": "HS512", "typ": "at+jwt"},
    "no algorithm": {"alg": "none", "typ": "at+jwt"},
    "something critical": {**HEADER, "crit": ["exp"], "exp": 1},
    "a key to fetch": {**HEADER, "jku": "https://example.com/keys"},
    "a key": {**HEADER, "jwk": {"kty": "oct", "k": "AA"}},
    "a key's name": {**HEADER, "kid": "../../dev/null"},
    "an unencoded payload": {**HEADER, "b64": False, "crit": ["b64"]},
}


@pytest.mark.parametrize("change", FOREIGN_CLAIMS.values(), ids=FOREIGN_CLAIMS)
@freeze_time(NOON)
def test_a_token_for_another_purpose_or_time_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        AccessTokens(SECRET, SystemClock()).verify(signed(HEADER, {**CLAIMS, **change}))


@pytest.mark.parametrize("name", CLAIMS)
@freeze_time(NOON)
def test_a_token_without_one_of_the_claims_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated):
        AccessTokens(SECRET, SystemClock()).verify(signed(HEADER, {k: v for k, v in CLAIMS.items() if k != name}))


@pytest.mark.parametrize("header", FOREIGN_HEADERS.values(), ids=FOREIGN_HEADERS)
@freeze_time(NOON)
def test_a_token_with_another_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        AccessTokens(SECRET, SystemClock()).verify(signed(header, CLAIMS))


@freeze_time(NOON)
def test_a_long_token_is_refused_and_not_truncated() -> None:
    token = signed(HEADER, CLAIMS)
    for long in (token + "x" * 2_000, signed(HEADER, {**CLAIMS, "more": "x" * 1_000})):
        with pytest.raises(Unauthenticated):
            AccessTokens(SECRET, SystemClock()).verify(long)


def test_a_full_cache_of_tokens_evicts_the_least_recently_used_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bank.identity.tokens._CACHED_MAX", 2)
    tokens = AccessTokens(SECRET, SystemClock())
    verified = []

    decode_rightly = jwt.decode

    def decode(token: str, *arguments: Any, **options: Any) -> Any:
        verified.append(token)
        return decode_rightly(token, *arguments, **options)

    monkeypatch.setattr("bank.identity.tokens.jwt.decode", decode)
    first, second, third = [
        tokens.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1)) for _ in range(3)
    ]
    for token in (first, second, first, third, first, second):
        tokens.verify(token)
    assert verified == [first, second, third, second]


SOON = int(NOON.timestamp()) + 60


@freeze_time(NOON)
@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(("starts", "ends", "is_good"), [(0, 900, True), (1, 900, False), (0, 1, True), (0, 0, False)])
def test_clocks_may_differ_by_a_minute_and_a_token_expires_after_its_start(
    claim: str, starts: int, ends: int, is_good: bool
) -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    token = signed(HEADER, {**CLAIMS, claim: SOON + starts, "exp": SOON + ends})
    if is_good:
        assert tokens.verify(token).role == "CUSTOMER"
    else:
        with pytest.raises(Unauthenticated, match="not one of this bank's"):
            tokens.verify(token)


@freeze_time(NOON)
def test_a_token_of_1024_characters_is_accepted_and_one_of_1025_is_not() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    padded = [signed(HEADER, {**CLAIMS, "more": "x" * count}) for count in range(300, 500)]
    assert {1024, 1025} < {len(token) for token in padded}
    for token in padded:
        if len(token) <= 1024:
            assert tokens.verify(token).role == "CUSTOMER"
        else:
            with pytest.raises(Unauthenticated, match="not one of this bank's"):
                tokens.verify(token)


def test_refresh_tokens_are_random_and_stored_as_their_sha256() -> None:
    made = {new_refresh_token() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(token) for token in made} == {43}, "256 bits in base64"
    assert refresh_token_digest("a token") == hashlib.sha256(b"a token").digest()


def test_a_keyed_digest_is_half_of_the_hmac_of_the_text_under_the_secret() -> None:
    digest = hmac.new(b"the secret", b"ana@example.com", hashlib.sha256).hexdigest()
    assert keyed_digest("the secret", "ana@example.com") == digest[:32]


@pytest.mark.parametrize(("role", "is_staff"), [("CUSTOMER", False), ("OPERATOR", True), ("ADMIN", True)])
def test_operators_and_admins_are_staff(role: str, is_staff: bool) -> None:
    assert caller(role).is_staff is is_staff


def test_a_successor_follows_from_the_used_token_and_the_secret_and_from_nothing_else() -> None:
    token = new_refresh_token()
    successor = successor_of(SECRET, token)
    assert len(successor) == 43, "256 bits in base64"
    assert successor == successor_of(SECRET, token)
    others = {successor_of("f" * 64, token), successor_of(SECRET, new_refresh_token()), successor_of(SECRET, successor)}
    assert len({token, successor, *others}) == 5
