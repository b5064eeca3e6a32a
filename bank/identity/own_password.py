"""The password of a logged-in user, which is asked for again before something important changes.

NIST SP 800-63B-4 and OWASP ASVS 5.0 demand this: a stolen session alone must not take over a user.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bank.events.types.audit import ActionRefusedEvent
from bank.identity.failed_login import WRONG_PASSWORD, record_failed_login
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
    """Return the caller's profile, or refuse a wrong password, which counts as a failed login.

    `field` is the field of the input with the password. Raises `Overloaded` as `Passwords.verify` does.
    """
    found: Any = None

    async def find_hash() -> str | None:
        nonlocal found
        async with sessions.database.connection() as connection:
            found = await queries.profile_of(connection, id=caller.user_id)
        return found["password_hash"] if found else None

    if await sessions.passwords.verify(find_hash, password, account=str(caller.user_id)) is None:
        await record_failed_login(sessions, WRONG_PASSWORD, user_id=caller.user_id)
        return wrong_password(field)
    async with sessions.database.connection() as connection:
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
    """Return the refusal of a wrong password."""
    return Refusal(code="INVALID_CREDENTIALS", message="The password is wrong.", field=("input", field))


async def record_refusal(sessions: Sessions, user_id: UUID, action: str, code: str) -> None:
    """Record the refusal of a change by a user of their own credentials."""
    await sessions.recorder.record(
        ActionRefusedEvent(action=action, code=code, entity_type="User", entity_id=user_id, initiated_by=user_id)
    )
