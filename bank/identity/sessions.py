"""Sessions: the parts that their use cases need, and the check that a session is open."""

from dataclasses import dataclass

from bank.cache.session_marks import SessionMarks
from bank.clock import Clock
from bank.database.pool import Database
from bank.errors import Unauthenticated
from bank.events.recorder import EventRecorder
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identity.passwords import Passwords
from bank.identity.register import queries
from bank.identity.tokens import AccessTokens, Caller
from bank.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The sessions of users. The database decides if a session is open; Redis only has signed marks of it (R10)."""

    uow_factory: UnitOfWorkFactory
    database: Database
    recorder: EventRecorder
    marks: SessionMarks
    passwords: Passwords
    tokens: AccessTokens
    clock: Clock
    settings: Settings

    async def require_open(self, caller: Caller, mark: str | None) -> None:
        """Raise `Unauthenticated` unless the caller's session is open. `mark` is its mark in Redis, or None."""
        is_open = self.marks.is_open(caller.session_id, mark)
        if is_open is None:
            async with self.database.connection() as connection:
                row = await queries.is_session_open(connection, id=caller.session_id, now=self.clock.now())
            is_open = bool(row["is_open"])
            if is_open:
                await self.marks.mark_open(caller.session_id, row["asked_at"])
        if not is_open:
            raise Unauthenticated("This session is closed; log in again.")
