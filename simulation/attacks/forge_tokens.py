"""Forged tokens: access tokens of others that were changed, signed by others, or made for another purpose (RFC 8725).

Some are signed with the secret of the bank, so that nothing but the audience, the issuer or the time is wrong.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from time import time

import msgspec

from simulation.attacks.guess_ids import claims_of
from simulation.attacks.record import AttackRecorder
from simulation.model.operations import CURRENCY
from simulation.plan.values import draw_key

FORGED = "a forged token"
GENUINE = "a genuine token"
LATER_S = 7_200

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token before its signature."""

    header: Mapping[str, object]
    claims: Mapping[str, object]

    def unsigned(self) -> str:
        """Return the two parts that a signature covers."""
        return f"{_encode(msgspec.json.encode(self.header))}.{_encode(msgspec.json.encode(self.claims))}"

    def signed(self, secret: str) -> str:
        """Return the token, signed with the algorithm of its header."""
        text = self.unsigned()
        digest = hmac.new(secret.encode(), text.encode(), HASHES[str(self.header["alg"])]).digest()
        return f"{text}.{_encode(digest)}"


async def forge_tokens(recorder: AttackRecorder) -> None:
    """Read and pay with each forged token of the victim; one genuine token shows that the signatures are right."""
    own, theirs = (recorder.tokens.token(person) for person in (recorder.attack.attacker, recorder.attack.victim))
    account = next((a for a in recorder.plan.accounts_of(recorder.attack.victim) if a.index in recorder.accounts), None)
    target = next(
        (a for a in recorder.plan.accounts_of(recorder.attack.attacker) if a.index in recorder.accounts), None
    )
    if own is None or theirs is None or account is None or target is None:
        return
    header: Mapping[str, object] = msgspec.json.decode(_decode(own.split(".")[0]))
    genuine = Token(header, claims_of(own) or {}).signed(recorder.token_secret)
    await recorder.send(GENUINE, "Me", {}, token=genuine)
    random = Random(f"{recorder.plan.seed} keys of attack {recorder.attack.index}")
    for token in forgeries(own, theirs, recorder.token_secret):
        await recorder.send(FORGED, "Me", {}, token=token, expected={"UNAUTHENTICATED"})
        content = {
            "idempotencyKey": draw_key(random),
            "fromAccountId": recorder.accounts[account.index].account_id,
            "toAccountNumber": recorder.accounts[target.index].number,
            "amount": {"amount": "1.00", "currency": CURRENCY},
        }
        await recorder.send(FORGED, "Transfer", {"input": content}, token=token, expected={"UNAUTHENTICATED"})


def forgeries(own: str, theirs: str, secret: str) -> list[str]:
    """Return the forged tokens. `secret` is the bank's own."""
    header, claims = (msgspec.json.decode(_decode(part)) for part in theirs.split(".")[:2])
    right, signature, now = Token(header, claims), own.split(".")[2], int(time())

    def with_header(**changes: object) -> Token:
        return Token({**header, **changes}, claims)

    def with_claims(**changes: object) -> Token:
        return Token(header, {**claims, **changes})

    jwk = {"kty": "oct", "k": _encode(b"a key of the attacker, of 32 bytes")}
    own_claims = {**(claims_of(own) or {}), "role": "ADMIN"}
    return [
        f"{with_header(alg='none').unsigned()}.",
        f"{with_header(alg='None').unsigned()}.{signature}",
        f"{right.unsigned()}.",
        f"{right.unsigned()}.{signature}",
        f"{Token(header, own_claims).unsigned()}.{signature}",
        right.signed("secret"),
        right.signed(""),
        with_header(alg="HS512").signed(secret),
        with_header(alg="HS384").signed(secret),
        with_header(typ="JWT").signed(secret),
        with_header(kid="0" * 16).signed(secret),
        with_header(kid="../../../dev/null").signed(""),
        with_header(jwk=jwk).signed("a key of the attacker, of 32 bytes"),
        with_header(jku="https://203.0.113.7/keys").signed(secret),
        with_header(crit=["exp"]).signed(secret),
        with_claims(aud="another-bank/graphql").signed(secret),
        with_claims(aud=[claims["aud"], "another-bank"]).signed(secret),
        with_claims(iss="another-bank").signed(secret),
        with_claims(iat=now - LATER_S, exp=now - LATER_S // 2).signed(secret),
        with_claims(iat=now + LATER_S, exp=now + 2 * LATER_S).signed(secret),
        Token(header, {name: value for name, value in claims.items() if name != "exp"}).signed(secret),
        with_claims(role="ROOT").signed(secret),
    ]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
