"""The authenticator app of a member of staff, who logs in with a second factor as in production."""

import time
from collections.abc import Callable, Sequence

import pyotp

STEP_S = 30
"""The seconds for which a code of the app is shown (RFC 6238)."""


class Authenticator:
    """An app with the secret of a user, and the recovery codes that the user has written down."""

    def __init__(self, secret: str, recovery_codes: Sequence[str], *, now_s: Callable[[], float] = time.time) -> None:
        self._totp = pyotp.TOTP(secret, interval=STEP_S)
        self._recovery_codes = list(recovery_codes)
        self._now_s = now_s
        self._last_step = 0
        self.secrets = [secret, *recovery_codes]

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Authenticator()"

    def code(self) -> str:
        """Return a code that was not returned before, because the bank accepts each code once.

        It is that of now, or the next one, which the bank accepts early. After these two it is a recovery code, so that
        nobody waits for the next step.
        """
        step = int(self._now_s()) // STEP_S
        next_step = max(self._last_step + 1, step)
        if next_step > step + 1 and self._recovery_codes:
            return self._recovery_codes.pop()
        self._last_step = next_step
        return self._totp.generate_otp(next_step)


def read_authenticator(output: str) -> Authenticator:
    """Return the app with the secret and the recovery codes that the bank's command has printed.

    Raises ValueError if there is no secret.
    """
    lines = [line.partition(": ") for line in output.splitlines()]
    secrets = [value for name, _, value in lines if name == "secret"]
    if not secrets:
        raise ValueError("there is no line with a secret")
    return Authenticator(secrets[0], [value for name, _, value in lines if name == "recovery code"])
