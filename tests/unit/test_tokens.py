"""Access tokens: only unexpired tokens with the bank's signature are valid."""

import dataclasses
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
from bank.identity.keyring import Keyring, SigningKey, key_of_secret
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


def tokens_of(secret: str) -> AccessTokens:
    """Return the access tokens of a bank whose keys were never rotated."""
    return AccessTokens(Keyring(key_of_secret(secret)), SystemClock())


def caller(role: str = "CUSTOMER") -> Caller:
    return Caller(uuid4(), role, uuid4())


def test_a_token_identifies_the_caller() -> None:
    tokens = tokens_of(SECRET)
    asked = caller("OPERATOR")
    token = tokens.issue(asked, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert tokens.verify(token) == asked
    assert tokens_of(SECRET).verify(token) == asked


def test_an_expired_token_is_refused_also_if_it_is_cached() -> None:
    tokens = tokens_of(SECRET)
    with freeze_time(NOON) as time:
        token = tokens.issue(caller(), expires_at=NOON + timedelta(minutes=15))
        time.move_to(NOON + timedelta(minutes=15) - timedelta(seconds=1))
        tokens.verify(token)
        time.move_to(NOON + timedelta(minutes=15))
        for worker in (tokens, tokens_of(SECRET)):
            with pytest.raises(Unauthenticated, match="expired"):
                worker.verify(token)


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: t + "x", lambda t: "x" + t, lambda t: t.split(".")[0]])
def test_a_changed_token_is_refused(spoil: object) -> None:
    tokens = tokens_of(SECRET)
    token = tokens.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert callable(spoil)
    with pytest.raises(Unauthenticated, match="not one of this bank's"):
        tokens.verify(spoil(token))


def test_a_token_of_another_secret_is_refused() -> None:
    stranger = tokens_of("f" * 64)
    token = stranger.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        tokens_of(SECRET).verify(token)


CLAIMS: dict[str, Any] = {
    "iss": "event-driven-bank",
    "aud": "event-driven-bank/graphql",
    "sub": "01930000-0000-7000-8000-000000000001",
    "sid": "01930000-0000-7000-8000-000000000002",
    "role": "CUSTOMER",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 900,
}
KID = key_of_secret(SECRET).id
HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
IN_AN_HOUR = int(NOON.timestamp()) + 3600


def signed(header: dict[str, Any], claims: dict[str, Any], *, secret: str = SECRET, digest: str = "sha256") -> str:
    """Return a token with the bank's secret, and any header and claims."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(secret.encode(), b".".join(parts), digest).digest()
    return b".".join((*parts, urlsafe_b64encode(signature).rstrip(b"="))).decode()


@freeze_time(NOON)
def test_a_token_of_the_expected_form_is_accepted() -> None:
    tokens = tokens_of(SECRET)
    assert tokens.verify(signed(HEADER, CLAIMS)).role == "CUSTOMER"
    assert tokens.verify(signed(HEADER, {**CLAIMS, "nbf": CLAIMS["iat"]})).role == "CUSTOMER"
    before_key_ids = {"alg": "HS256", "typ": "at+jwt"}
    assert tokens.verify(signed(before_key_ids, CLAIMS)).role == "CUSTOMER"


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
    "another type": {**HEADER, "typ": "JWT"},
    "no type": {"alg": "HS256", "kid": KID},
    "a refresh token": {**HEADER, "typ": "rt+jwt"},
    "another algorithm": {**HEADER, "alg": "HS512"},
    "an algorithm with a public key": {**HEADER, "alg": "RS256"},
    "no algorithm": {**HEADER, "alg": "none"},
    "no algorithm, in capitals": {**HEADER, "alg": "None"},
    "an algorithm that is none": {**HEADER, "alg": None},
    "something critical": {**HEADER, "crit": ["exp"], "exp": 1},
    "a key to fetch": {**HEADER, "jku": "https://example.com/keys"},
    "a key": {**HEADER, "jwk": {"kty": "oct", "k": "AA"}},
    "a certificate to fetch": {**HEADER, "x5u": "https://example.com/certificate"},
    "a certificate": {**HEADER, "x5c": ["AA"]},
    "another key's name": {**HEADER, "kid": "../../dev/null"},
    "an empty name": {**HEADER, "kid": ""},
    "a name that is none": {**HEADER, "kid": None},
    "names": {**HEADER, "kid": [KID]},
    "a name in other letters": {**HEADER, "kid": KID.upper() + "X"},
    "compression": {**HEADER, "zip": "DEF"},
    "an unencoded payload": {**HEADER, "b64": False, "crit": ["b64"]},
}


@pytest.mark.parametrize("change", FOREIGN_CLAIMS.values(), ids=FOREIGN_CLAIMS)
@freeze_time(NOON)
def test_a_token_for_another_purpose_or_time_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens_of(SECRET).verify(signed(HEADER, {**CLAIMS, **change}))


@pytest.mark.parametrize("name", CLAIMS)
@freeze_time(NOON)
def test_a_token_without_one_of_the_claims_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens_of(SECRET).verify(signed(HEADER, {k: v for k, v in CLAIMS.items() if k != name}))


@pytest.mark.parametrize("header", FOREIGN_HEADERS.values(), ids=FOREIGN_HEADERS)
@freeze_time(NOON)
def test_a_token_with_another_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens_of(SECRET).verify(signed(header, CLAIMS))


@pytest.mark.parametrize("alg", ["none", "HS256", "HS384", "HS512", "RS256", "ES256"])
@freeze_time(NOON)
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    token = signed({**HEADER, "alg": alg}, CLAIMS)
    for signature in ("", "AA"):
        with pytest.raises(Unauthenticated):
            tokens_of(SECRET).verify(f"{token.rpartition('.')[0]}.{signature}")


@pytest.mark.parametrize(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512"), ("HS256", "sha512")])
@freeze_time(NOON)
def test_a_token_of_another_algorithm_is_refused_although_the_secret_is_right(alg: str, digest: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens_of(SECRET).verify(signed({**HEADER, "alg": alg}, CLAIMS, digest=digest))


@freeze_time(NOON)
def test_a_token_that_brings_its_own_key_is_refused() -> None:
    own = "attacker" * 4
    brought = {"kty": "oct", "k": urlsafe_b64encode(own.encode()).rstrip(b"=").decode()}
    for more in ({"jwk": brought}, {"jku": "https://example.com/keys"}, {"kid": own}):
        with pytest.raises(Unauthenticated):
            tokens_of(SECRET).verify(signed({**HEADER, **more}, CLAIMS, secret=own))


@freeze_time(NOON)
def test_a_long_token_is_refused_and_not_truncated() -> None:
    token = signed(HEADER, CLAIMS)
    for long in (token + "x" * 2_000, signed(HEADER, {**CLAIMS, "more": "x" * 1_000})):
        with pytest.raises(Unauthenticated):
            tokens_of(SECRET).verify(long)


def test_a_full_cache_of_tokens_evicts_the_least_recently_used_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bank.identity.tokens._CACHED_MAX", 2)
    tokens = tokens_of(SECRET)
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
    tokens = tokens_of(SECRET)
    token = signed(HEADER, {**CLAIMS, claim: SOON + starts, "exp": SOON + ends})
    if is_good:
        assert tokens.verify(token).role == "CUSTOMER"
    else:
        with pytest.raises(Unauthenticated, match="not one of this bank's"):
            tokens.verify(token)


@freeze_time(NOON)
def test_a_token_of_1024_characters_is_accepted_and_one_of_1025_is_not() -> None:
    tokens = tokens_of(SECRET)
    padded = [signed(HEADER, {**CLAIMS, "more": "x" * count}) for count in range(200, 500)]
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


A_MINUTE = timedelta(minutes=1)
OLD, NEW, NEWEST = "first" * 8, "second" * 6, "third" * 7


def key(secret: str, *, signs_from: datetime, older_until: datetime) -> SigningKey:
    return dataclasses.replace(key_of_secret(secret), signs_from=signs_from, older_until=older_until)


def test_a_new_key_signs_from_its_time_and_the_old_one_is_accepted_until_the_end_of_the_overlap() -> None:
    keyring = Keyring(key_of_secret(OLD), [key(NEW, signs_from=NOON, older_until=NOON + 15 * A_MINUTE)])
    worker, not_yet_rotated = AccessTokens(keyring, SystemClock()), tokens_of(OLD)
    life = timedelta(hours=1)
    with freeze_time(NOON - A_MINUTE) as time:
        old = worker.issue(caller(), expires_at=NOON + life)
        assert not_yet_rotated.verify(old)
        # A worker whose clock is ahead signs with the new key already.
        ahead = AccessTokens(Keyring(key_of_secret(NEW)), SystemClock()).issue(caller(), expires_at=NOON + life)
        assert worker.verify(ahead)
        time.move_to(NOON)
        new = worker.issue(caller(), expires_at=NOON + life)
        with pytest.raises(Unauthenticated):
            not_yet_rotated.verify(new)
        time.move_to(NOON + 15 * A_MINUTE - timedelta(seconds=1))
        assert worker.verify(old)
        time.move_to(NOON + 15 * A_MINUTE)
        for refusing in (worker, AccessTokens(keyring, SystemClock())):
            with pytest.raises(Unauthenticated):
                refusing.verify(old)
        assert worker.verify(new)


def test_a_rotation_that_accepts_no_older_key_refuses_tokens_that_were_verified_before() -> None:
    tokens = tokens_of(OLD)
    with freeze_time(NOON):
        token = tokens.issue(caller(), expires_at=NOON + A_MINUTE)
        assert tokens.verify(token)
        keyring = Keyring(key_of_secret(OLD), [key(NEW, signs_from=NOON, older_until=NOON)])
        tokens.use(keyring)
        with pytest.raises(Unauthenticated):
            tokens.verify(token)
        assert tokens.verify(tokens.issue(caller(), expires_at=NOON + A_MINUTE))


def test_an_earlier_key_is_accepted_until_the_first_end_that_a_later_key_sets() -> None:
    first = key_of_secret(OLD)
    second = key(NEW, signs_from=NOON, older_until=NOON + 9 * A_MINUTE)
    third = key(NEWEST, signs_from=NOON + A_MINUTE, older_until=NOON + 5 * A_MINUTE)
    keyring = Keyring(first, [second, third])
    ends = [keyring.accepted_until(one) for one in (first, second, third)]
    assert ends == [NOON + 5 * A_MINUTE, NOON + 5 * A_MINUTE, None]
    assert [keyring.signing_key(NOON + minutes * A_MINUTE).id for minutes in (-1, 0, 1)] == [
        first.id, second.id, third.id
    ]  # fmt: skip


def test_the_id_of_the_first_key_says_nothing_about_the_secret() -> None:
    assert key_of_secret(SECRET).id == KID
    assert len(KID) == 16
    assert KID not in hashlib.sha256(SECRET.encode()).hexdigest()
    assert key_of_secret("f" * 64).id != KID
