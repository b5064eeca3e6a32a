"""Tokens: access tokens, which a worker verifies by itself, and refresh tokens, which the database stores."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey

from bank.clock import Clock
from bank.errors import Unauthenticated
from bank.identifiers import read_uuid
from bank.identity.keyring import Keyring, SigningKey

_ALGORITHM = "HS256"
# The verified tokens of 10,000 active clients are cached; a hit saves the 50 µs of a verification.
_CACHED_MAX = 10_000
# The bank's tokens have 500 characters. A longer one is refused before it is decoded.
_TOKEN_CHARACTERS_MAX = 1_024
# A token for another purpose may be signed with the same secret. So its type (RFC 9068), its issuer and its audience
# have to be exactly these.
_HEADER = {"alg": _ALGORITHM, "typ": "at+jwt"}
_ISSUER = "event-driven-bank"
_AUDIENCE = "event-driven-bank/graphql"
_STAFF = frozenset({"OPERATOR", "ADMIN"})
_ROLES = _STAFF | {"CUSTOMER"}
# The authentication methods (RFC 8176) of a session with a password alone, and with a second factor as well.
_ONE_FACTOR, _TWO_FACTORS = ["pwd"], ["pwd", "otp", "mfa"]
# The clocks of workers on several machines differ by less.
_CLOCK_SKEW_S = 60


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the user, their role, and the session of the token.

    `second_factor_at_s` is the Unix time in seconds at which the session last proved the second factor, None if never.
    `step_up_above_minor` is the user's own limit for payments without a fresh second factor, None for that of the bank.
    With `lacks_second_factor`, a member of staff has to prove the second factor, and acts as a customer until then.
    """

    user_id: UUID
    role: str
    session_id: UUID
    second_factor_at_s: int | None = None
    lacks_second_factor: bool = False
    step_up_above_minor: int | None = None

    @property
    def is_staff(self) -> bool:
        """Return whether the caller may act for the bank."""
        return self.role in _STAFF and not self.lacks_second_factor

    def with_second_factor(self, at: datetime | None) -> "Caller":
        """Return the caller with a session that proved the second factor at this time; None if it never did."""
        return replace(self, second_factor_at_s=None if at is None else int(at.timestamp()))


class AccessTokens:
    """Issuing and verification of access tokens, signed with a key of the bank's keyring.

    With `staff_need_second_factor`, callers who are staff lack it until their session has proved it.
    """

    def __init__(self, keyring: Keyring, clock: Clock, *, staff_need_second_factor: bool = False) -> None:
        self._keyring = keyring
        self._staff_need_second_factor = staff_need_second_factor
        self._clock = clock
        self._verified: LRUCache[str, tuple[Caller, float]] = LRUCache(_CACHED_MAX)

    def use(self, keyring: Keyring) -> None:
        """Use another keyring from now on. Every token is verified again with it."""
        self._keyring = keyring
        self._verified.clear()

    def issue(self, caller: Caller, *, expires_at: datetime) -> str:
        """Return a signed token for a session, valid until `expires_at`."""
        now = self._clock.now()
        key = self._keyring.signing_key(now)
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(caller.user_id),
            "sid": str(caller.session_id),
            "role": caller.role,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "amr": _ONE_FACTOR if caller.second_factor_at_s is None else _TWO_FACTORS,
        }
        if caller.second_factor_at_s is not None:
            claims["second_factor_at"] = caller.second_factor_at_s
        if caller.step_up_above_minor is not None:
            claims["step_up_above_minor"] = caller.step_up_above_minor
        return jwt.encode({**_HEADER, "kid": key.id}, claims, key.key)

    def verify(self, token: str) -> Caller:
        """Return the caller of a token. Raises `Unauthenticated` if the token is invalid or has expired."""
        now_s = self._clock.now().timestamp()
        verified = self._verified.get(token)
        if verified is None:
            verified = self._read(token, now_s)
            self._verified[token] = verified
        caller, expires_at_s = verified
        if expires_at_s <= now_s:
            raise Unauthenticated("The access token has expired; refresh the session.")
        return caller

    def _read(self, token: str, now_s: float) -> tuple[Caller, float]:
        """Return the caller of a token, and the Unix time at which the token or the acceptance of its key ends."""
        try:
            claims, accepted_until = self._claims_of(token)
            expires_at_s: float = _expiry_of(claims, now_s)
            if accepted_until is not None:
                expires_at_s = min(expires_at_s, accepted_until.timestamp())
            return self._caller_of(claims), expires_at_s
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unauthenticated("The access token is not one of this bank's.") from None

    def _claims_of(self, token: str) -> tuple[Mapping[str, Any], datetime | None]:
        """Return the claims of a token, and the time at which the acceptance of its key ends.

        Raises ValueError, JoseError or KeyError if it is not an access token.
        """
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        found: list[SigningKey] = []

        def find_key(token_parts: GuestProtocol) -> OctKey:
            found.append(self._key_of(token_parts.headers()))
            return found[0].key

        decoded = jwt.decode(token, find_key, algorithms=[_ALGORITHM])
        if decoded.claims["iss"] != _ISSUER or decoded.claims["aud"] != _AUDIENCE:
            raise ValueError("for another purpose")
        return decoded.claims, self._keyring.accepted_until(found[0])

    def _caller_of(self, claims: Mapping[str, Any]) -> Caller:
        role, second_factor_at_s = claims["role"], claims.get("second_factor_at")
        if role not in _ROLES:
            raise ValueError("no such role")
        step_up_above_minor = claims.get("step_up_above_minor")
        # The exact type, since True is an instance of int.
        if any(number is not None and type(number) is not int for number in (second_factor_at_s, step_up_above_minor)):
            raise ValueError("no whole number")
        return Caller(
            read_uuid(claims["sub"]),
            role,
            read_uuid(claims["sid"]),
            second_factor_at_s,
            lacks_second_factor=self._staff_need_second_factor and role in _STAFF and second_factor_at_s is None,
            step_up_above_minor=step_up_above_minor,
        )

    def _key_of(self, header: Mapping[str, Any]) -> SigningKey:
        """Return the key that a header names, before anything is verified with it."""
        key_id = header.get("kid")
        key = self._keyring.find(key_id)
        # The whole header has to match, because other parameters (crit, jku, jwk, x5u, zip) require features that the
        # bank does not have, and bring keys from elsewhere.
        if key is None or header != (_HEADER if key_id is None else {**_HEADER, "kid": key.id}):
            raise ValueError("for another purpose")
        return key


def _expiry_of(claims: Mapping[str, Any], now_s: float) -> int:
    """Return the Unix time in seconds at which a token expires. Raises ValueError if its times are inconsistent."""
    starts = [claims["iat"], *([claims["nbf"]] if "nbf" in claims else [])]
    expires_at_s = claims["exp"]
    # The exact type, since True is an instance of int, and a JSON number may be infinite.
    if any(type(moment) is not int for moment in (*starts, expires_at_s)):
        raise ValueError("no whole seconds")
    if max(starts) > now_s + _CLOCK_SKEW_S or max(starts) >= expires_at_s:
        raise ValueError("not valid yet, or never valid")
    return int(expires_at_s)


def new_refresh_token() -> str:
    """Return a new refresh token: 256 random bits."""
    return secrets.token_urlsafe(32)


def successor_of(secret: str, refresh_token: str) -> str:
    """Return the refresh token that replaces a used one: 256 bits that only the used token and the secret give.

    So it can be returned again, although only its digest is stored (decision 0028).
    """
    # A key of its own, so that nothing else that is signed with the secret is valid as a token.
    key = hmac.digest(secret.encode(), b"refresh token successors", hashlib.sha256)
    return urlsafe_b64encode(hmac.digest(key, refresh_token.encode(), hashlib.sha256)).rstrip(b"=").decode()


def refresh_token_digest(refresh_token: str) -> bytes:
    """Return the digest under which a refresh token is stored. Tokens are random, so that it needs no salt."""
    return hashlib.sha256(refresh_token.encode()).digest()


def keyed_digest(secret: str, text: str) -> str:
    """Return a keyed digest (HMAC) of personal data, 128 bits in hex.

    It is stored for ever in the place of the text; equal texts have equal digests.
    """
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]
