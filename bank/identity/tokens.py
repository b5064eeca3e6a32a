"""Tokens: an access token that every worker can verify by itself, a refresh token that only the database knows."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bank.clock import Clock
from bank.errors import Unauthenticated
from bank.identifiers import read_uuid

_ALGORITHM = "HS256"
# Verified tokens that are remembered: 10,000 active clients; a hit saves the 50 µs of a verification.
_REMEMBERED_MAX = 10_000
# Ours have 400; a longer one is refused before it costs anything.
_TOKEN_CHARACTERS_MAX = 1_024
# A token for another purpose, signed with the same secret, is none of ours: who issued it, for whom, and what it is
# (RFC 9068 has the type) are compared word by word.
_HEADER = {"alg": _ALGORITHM, "typ": "at+jwt"}
_ISSUER = "event-driven-bank"
_AUDIENCE = "event-driven-bank/graphql"
_ROLES = frozenset({"CUSTOMER", "OPERATOR", "ADMIN"})
# Workers on several machines differ by less.
_CLOCKS_DIFFER_S = 60


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the user, their role, and the session of the token."""

    user_id: UUID
    role: str
    session_id: UUID

    @property
    def is_staff(self) -> bool:
        """Return whether the caller works for the bank."""
        return self.role in {"OPERATOR", "ADMIN"}


class AccessTokens:
    """Issues and verifies access tokens, signed with the bank's secret."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._key = OctKey.import_key(secret)
        self._clock = clock
        self._verified: LRUCache[str, tuple[Caller, int]] = LRUCache(_REMEMBERED_MAX)

    def issue(self, caller: Caller, *, expires_at: datetime) -> str:
        """Return a signed token for a session, good until `expires_at`."""
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(caller.user_id),
            "sid": str(caller.session_id),
            "role": caller.role,
            "iat": int(self._clock.now().timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(dict(_HEADER), claims, self._key)

    def verify(self, token: str) -> Caller:
        """Return whose token it is. Raises `Unauthenticated` for any that is not ours or has expired."""
        now_s = self._clock.now().timestamp()
        known = self._verified.get(token)
        if known is None:
            known = self._read(token, now_s)
            self._verified[token] = known
        caller, expires_at_s = known
        if expires_at_s <= now_s:
            raise Unauthenticated("The access token has expired; refresh the session.")
        return caller

    def _read(self, token: str, now_s: float) -> tuple[Caller, int]:
        try:
            claims = self._claims_of(token)
            return _caller_of(claims), _expiry_of(claims, now_s)
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unauthenticated("The access token is not one of this bank's.") from None

    def _claims_of(self, token: str) -> Mapping[str, Any]:
        """Return what a token says. Raises ValueError, JoseError or KeyError where it is for another purpose."""
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        decoded = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
        # The whole header: what else may be in one (crit, jku, jwk, kid, zip) asks for what this bank does not do.
        if decoded.header != _HEADER or decoded.claims["iss"] != _ISSUER or decoded.claims["aud"] != _AUDIENCE:
            raise ValueError("for another purpose")
        return decoded.claims


def _caller_of(claims: Mapping[str, Any]) -> Caller:
    role = claims["role"]
    if role not in _ROLES:
        raise ValueError("no such role")
    return Caller(read_uuid(claims["sub"]), role, read_uuid(claims["sid"]))


def _expiry_of(claims: Mapping[str, Any], now_s: float) -> int:
    """Return the second from which on a token is no longer good. Raises ValueError where its times make no sense."""
    starts = [claims["iat"], *([claims["nbf"]] if "nbf" in claims else [])]
    expires_at_s = claims["exp"]
    # Exactly: true is an int, and JSON has numbers without an end.
    if any(type(moment) is not int for moment in (*starts, expires_at_s)):
        raise ValueError("no whole seconds")
    if max(starts) > now_s + _CLOCKS_DIFFER_S or max(starts) >= expires_at_s:
        raise ValueError("not yet good, or never")
    return int(expires_at_s)


def new_refresh_token() -> str:
    """Return a fresh refresh token: 256 bits of randomness."""
    return secrets.token_urlsafe(32)


def refresh_token_digest(refresh_token: str) -> bytes:
    """Return what is stored of a refresh token. It is random itself, so that a plain digest is enough."""
    return hashlib.sha256(refresh_token.encode()).digest()


def keyed_digest(secret: str, text: str) -> str:
    """Return what is kept for ever in the place of a text that is somebody's: the same for the same text, under a key.

    128 bits, in hex.
    """
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]
