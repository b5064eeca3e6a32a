"""The list of a user's open sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.identity.register import queries

_OPEN_SESSIONS = queries.open_sessions_of.sql


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session that is open. `last_used_at` is the time of its login or of its last refresh.

    So it is behind the last request by the life of an access token at most, and a request writes nothing for it.
    """

    id: UUID
    user_agent: str | None
    ip_address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


async def list_sessions(snapshot: ReadSnapshot, user_id: UUID, *, now: datetime) -> list[OpenSession]:
    """Return the open sessions of a user, the last used one first."""
    return [_read_session(row) for row in await snapshot.fetch(_OPEN_SESSIONS, user_id, now)]


def _read_session(row: Any) -> OpenSession:
    return OpenSession(**row)
