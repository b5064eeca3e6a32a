"""Reads of a user's profile from a snapshot."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_BY_ID = load_statements(__file__).user_by_id.sql


@dataclass(frozen=True, slots=True)
class User:
    """A user. `version` grows with each change of the profile or of the list of accounts."""

    id: UUID
    email: str
    full_name: str
    cpf: str | None
    role: str
    version: int
    created_at: datetime


async def find_user(snapshot: ReadSnapshot, user_id: UUID) -> User | None:
    """Return a user, or None for an unknown id."""
    row = await snapshot.fetch_row(_BY_ID, user_id)
    return User(*row) if row else None
