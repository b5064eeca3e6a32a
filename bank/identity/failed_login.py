"""The record of a failed login: the count, the event, and its audit row. Every request with a password uses it."""

from uuid import UUID

from bank.events.types.sessions import LoginFailedEvent
from bank.identity.sessions import Sessions
from bank.identity.tokens import keyed_digest
from bank.telemetry.metrics import FAILED_LOGINS

UNKNOWN_ADDRESS, WRONG_PASSWORD, WRONG_CODE = "unknown_address", "wrong_password", "wrong_code"
"""The reasons of failed logins in metrics."""


async def record_failed_login(sessions: Sessions, reason: str, *, user_id: UUID | None, address: str = "") -> None:
    """Count and record a wrong credential. `address` is the address that was given if it belongs to no user."""
    FAILED_LOGINS.labels(reason).inc()
    await sessions.recorder.record(login_failed(sessions, user_id=user_id, address=address))


def login_failed(sessions: Sessions, *, user_id: UUID | None, address: str = "") -> LoginFailedEvent:
    """Return the event of a failed login."""
    secret = sessions.settings.token_secret.get_secret_value()
    return LoginFailedEvent(
        subject_id=user_id, address_digest=None if user_id else keyed_digest(secret, f"address {address}")
    )
