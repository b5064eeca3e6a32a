"""Reads of a user's profile from a snapshot."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements
from bank.encryption.cipher import PersonalTextCipher

_BY_ID = load_statements(__file__).user_by_id.sql


@dataclass(frozen=True, slots=True)
class User:
    """A user. `version` grows with each change of the profile or of the list of accounts."""

    id: UUID
    email: str
    full_name: str
    cpf: str | None
    phone: str | None
    role: str
    version: int
    created_at: datetime
    step_up_above_minor: int | None


async def find_user(snapshot: ReadSnapshot, cipher: PersonalTextCipher, user_id: UUID) -> User | None:
    """Return a user, or None for an unknown id or an erased user. Raises the errors of `PersonalTextCipher`."""
    row = await snapshot.fetch_row(_BY_ID, user_id)
    if row is None:
        return None
    plain = await cipher.decrypt((row["email"], row["full_name"], row["cpf"], row["phone"]), snapshot.fetch)
    email, full_name = plain[row["email"]], plain[row["full_name"]]
    if email is None or full_name is None:
        # The key is destroyed, and the row will be erased in a moment.
        return None
    return User(
        row["id"],
        email,
        full_name,
        plain[row["cpf"]],
        plain[row["phone"]],
        row["role"],
        row["version"],
        row["created_at"],
        row["step_up_above_minor"],
    )
