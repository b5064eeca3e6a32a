"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and recovery codes. All decisions are pure.

TOTP has the parameters that every app supports: SHA-1, six digits, 30 seconds. A code is accepted one step early or
late (RFC 6238, 5.2), and once, because a step is accepted only after the last accepted one (OWASP ASVS 5.0, 6.5).
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyotp

# The step that RFC 6238 recommends, and that apps assume.
STEP_S = 30
DIGITS = 6
# The clock of a phone is off by seconds, and typing takes some too.
SKEW_STEPS = 1
# Enough for the lost phone and a few mistakes, and few enough to write down.
RECOVERY_CODES = 10
# 80 random bits, so that a digest needs no slow hash (NIST SP 800-63B-4, 3.1.2.2, asks for at least 20 bits).
_RECOVERY_CHARACTERS, _GROUP = 16, 4
# Without letters and digits that look alike.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
# A longer text is no code, with any separators.
_CODE_TEXT_MAX = 40
# The time to scan the secret and to type the first code.
ENROLMENT_LIFE = timedelta(minutes=15)
# The issuer that an authenticator app shows.
ISSUER = "Event-driven bank"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """The second factor of a user as it is stored: secrets are encrypted, and of recovery codes there are digests.

    `secret` is in use; `pending_secret` waits for its first code. `last_counter` is the step of the last accepted code.
    Only unused recovery codes have digests.
    """

    secret: str | None = None
    confirmed_at: datetime | None = None
    last_counter: int | None = None
    recovery_digests: tuple[str, ...] = ()
    pending_secret: str | None = None
    pending_since: datetime | None = None

    @property
    def is_confirmed(self) -> bool:
        """Return whether logins need a code."""
        return self.secret is not None

    def pending_at(self, now: datetime) -> str | None:
        """Return the secret that waits for its first code, unless it has waited too long."""
        if self.pending_since is None or now - self.pending_since > ENROLMENT_LIFE:
            return None
        return self.pending_secret

    def confirmed(self, *, now: datetime, counter: int, recovery_digests: tuple[str, ...]) -> "SecondFactor":
        """Return the factor with its pending secret in use, from the code of the step `counter` on."""
        return replace(
            self,
            secret=self.pending_secret,
            confirmed_at=now,
            last_counter=counter,
            recovery_digests=recovery_digests,
            pending_secret=None,
            pending_since=None,
        )


def new_secret() -> str:
    """Return a new secret: 160 random bits in base32, the length of the hash (RFC 4226, 4)."""
    return pyotp.random_base32()


def otpauth_uri(secret: str, account: str) -> str:
    """Return the URI of a secret, which apps read from a QR code. `account` is the name that they show."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(name=account, issuer_name=ISSUER)


def new_recovery_codes() -> list[str]:
    """Return new recovery codes, such as `ABCD-EFGH-JKLM-NPQR`."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES)]
    return ["-".join(code[i : i + _GROUP] for i in range(0, _RECOVERY_CHARACTERS, _GROUP)) for code in codes]


def normalise_code(text: str) -> str | None:
    """Return a code without spaces and hyphens, in upper case; None for a text that is no code of any kind."""
    if len(text) > _CODE_TEXT_MAX:
        return None
    code = "".join(character for character in text if not character.isspace() and character != "-").upper()
    return code if code.isascii() and code.isalnum() else None


def is_totp(code: str) -> bool:
    """Return whether a normal code has the form of a TOTP code; otherwise it can be a recovery code."""
    return len(code) == DIGITS and code.isdigit()


def accepted_counter(secret: str, code: str, now: datetime, last_counter: int | None) -> int | None:
    """Return the step of a code that is valid now and was not used yet, or None."""
    totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S)
    step = int(now.timestamp()) // STEP_S
    for counter in range(step - SKEW_STEPS, step + SKEW_STEPS + 1):
        is_new = last_counter is None or counter > last_counter
        if is_new and hmac.compare_digest(totp.generate_otp(counter), code):
            return counter
    return None
