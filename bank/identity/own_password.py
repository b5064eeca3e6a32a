"""The password of a logged-in user, which is asked for again before something important changes.

NIST SP 800-63B-4 and OWASP ASVS 5.0 demand this: a stolen session alone must not take over a user.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bank.events.types.audit import ActionRefusedEvent
from bank.identity.failed_logins import (
    Subject,
    forget_failures,
    is_any_locked,
    record_failed_attempt,
    session_bucket,
)
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.identity.weakness import Person
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedUser:
    """A user who has just given the right password. `password_hash` and `stored_email` are as they were read."""

    person: Person
    password_hash: str
    stored_email: str
    has_second_factor: bool


async def verify_own_password(
    sessions: Sessions, caller: Caller, password: str, *, field: str
) -> VerifiedUser | Refusal:
    """Return the caller's profile, or refuse a wrong password, which counts as a failed login of this session.

    `field` is the field of the input with the password. Raises `Overloaded` as `Passwords.verify` does.
    """
    found: Any = None
    was_locked = False
    bucket = session_bucket(caller.session_id)

    async def find_hash() -> str | None:
        nonlocal found, was_locked
        async with sessions.database.connection() as connection:
            found = await queries.profile_of(connection, id=caller.user_id)
            was_locked = await is_any_locked(connection, [bucket], sessions.clock.now())
        return found["password_hash"] if found else None

    match = await sessions.passwords.verify(find_hash, password, account=str(caller.user_id))
    if match is None or was_locked:
        subject = Subject(user_id=caller.user_id, address_digest=None)
        await record_failed_attempt(sessions.uow_factory, [bucket], subject, was_locked=was_locked)
        return wrong_password(field)
    async with sessions.database.connection() as connection:
        await forget_failures(connection, bucket)
        stored = (found["email"], found["full_name"], found["cpf"])
        plain = await sessions.uow_factory.cipher.decrypt(stored, connection.fetch)
    email, full_name, cpf = (plain[text] for text in stored)
    person = Person(email=email or "", full_name=full_name or "", cpf=cpf)
    return VerifiedUser(
        person=person,
        password_hash=found["password_hash"],
        stored_email=found["email"],
        has_second_factor=found["has_second_factor"],
    )


def wrong_password(field: str) -> Refusal:
    """Return the refusal of a wrong password, and of every password during a delay after wrong ones."""
    message = "The password is wrong, or there were too many attempts: wait up to 15 minutes, and try again."
    return Refusal(code="INVALID_CREDENTIALS", message=message, field=("input", field))


async def record_refusal(sessions: Sessions, user_id: UUID, action: str, code: str) -> None:
    """Record the refusal of a change by a user of their own credentials."""
    await sessions.recorder.record(
        ActionRefusedEvent(action=action, code=code, entity_type="User", entity_id=user_id, initiated_by=user_id)
    )
