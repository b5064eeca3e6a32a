"""Credential stuffing: logins with e-mail addresses and passwords from elsewhere (OWASP ASVS 5.0, 6.3.1)."""

from simulation.attacks.record import AttackRecorder
from simulation.model.attacks import Quota

GUESS = "a guessed password"
DETECTED = "SuspiciousActivityDetectedEvent"
RULE = "credential_stuffing"
"""The event with which the bank records this attack, and the name of its rule."""


async def stuff_credentials(recorder: AttackRecorder) -> None:
    """Try each pair of the attack once. Known and unknown addresses must have the same answer."""
    for email, password in recorder.attack.guesses:
        await recorder.send(
            GUESS,
            "Login",
            {"input": {"email": email, "password": password}},
            expected={"INVALID_CREDENTIALS"},
            twin=GUESS,
            quota=Quota.LOGIN,
        )
