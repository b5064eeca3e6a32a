"""Sessions: begin, refresh, close, and whether one is open."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.cache.values import ValueCache
from bank.clock import Clock
from bank.database.pool import Database
from bank.errors import Unauthenticated
from bank.events.work import Work
from bank.identifiers import uuid7
from bank.identity.passwords import PASSWORD_MAX, Passwords
from bank.identity.register import queries
from bank.identity.tokens import AccessTokens, Caller, digest_of, new_refresh_token
from bank.ledger.model import Refusal
from bank.settings import Settings
from bank.telemetry.context import current_context

BAD_CREDENTIALS = Refusal(code="INVALID_CREDENTIALS", message="The e-mail address or the password is wrong.")
BAD_REFRESH_TOKEN = Refusal(
    code="INVALID_REFRESH_TOKEN",
    message="The refresh token is unknown, used up or expired; log in again.",
    field=("input", "refreshToken"),
)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What opens the API, and what gets the next pair."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    refresh_token_expires_at: datetime


class Sessions:
    """The sessions of users. The database holds the truth about them, Redis a note of it."""

    def __init__(
        self,
        *,
        work: Work,
        database: Database,
        cache: ValueCache,
        passwords: Passwords,
        tokens: AccessTokens,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._work = work
        self._database = database
        self._cache = cache
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._settings = settings

    async def log_in(self, email: str, password: str) -> TokenPair | Refusal:
        """Begin a session for whoever knows the password. Takes equally long for addresses that nobody has."""
        if len(password) > PASSWORD_MAX:
            return BAD_CREDENTIALS
        async with self._database.connection() as connection:
            found = await queries.credentials_of(connection, email=email.strip().lower())
        if not await self._passwords.verify(found["password_hash"] if found else None, password):
            return BAD_CREDENTIALS
        caller = Caller(found["id"], found["role"], uuid7())
        context = current_context()
        async with self._work.begin() as uow:
            now = self._clock.now()
            await queries.insert_session(
                uow.connection,
                id=caller.session_id,
                user_id=caller.user_id,
                now=now,
                expires_at=now + self._settings.refresh_token_life,
                ip_address=context.ip_address if context else None,
                user_agent=context.user_agent if context else None,
            )
            return await self._issue(uow.connection, caller, now)

    async def refresh(self, refresh_token: str) -> TokenPair | Refusal:
        """Trade a refresh token for the next pair. One that was used before is a theft: its session closes."""
        digest = digest_of(refresh_token)
        stolen: UUID | None = None
        async with self._work.begin() as uow:
            now = self._clock.now()
            row = await queries.lock_refresh_token(uow.connection, digest=digest)
            if row and row["used_at"] is None and row["closed_at"] is None and row["expires_at"] > now:
                await queries.use_refresh_token(uow.connection, digest=digest, now=now)
                caller = Caller(row["user_id"], row["role"], row["session_id"])
                await queries.extend_session(
                    uow.connection, id=caller.session_id, expires_at=now + self._settings.refresh_token_life
                )
                return await self._issue(uow.connection, caller, now)
            if row and row["used_at"] is not None:
                stolen = row["session_id"]
                await queries.close_session(uow.connection, id=stolen, now=now)
        if stolen is not None:
            await self._cache.mark_session_closed(stolen)
        return BAD_REFRESH_TOKEN

    async def close(self, session_id: UUID) -> None:
        """Close a session: none of its tokens opens anything from here on."""
        async with self._work.begin() as uow:
            await queries.close_session(uow.connection, id=session_id, now=self._clock.now())
        await self._cache.mark_session_closed(session_id)

    async def require_open(self, caller: Caller, mark: str | None) -> None:
        """Raise `Unauthenticated` unless the caller's session is open; `mark` is what Redis says of it, if anything."""
        if mark is None:
            async with self._database.connection() as connection:
                is_open = await queries.is_session_open(connection, id=caller.session_id, now=self._clock.now())
            if is_open:
                await self._cache.mark_session_open(caller.session_id)
            mark = "open" if is_open else "closed"
        if mark != "open":
            raise Unauthenticated("This session is closed; log in again.")

    async def _issue(self, connection: object, caller: Caller, now: datetime) -> TokenPair:
        refresh_token = new_refresh_token()
        pair = TokenPair(
            access_token=self._tokens.issue(caller, expires_at=now + self._settings.access_token_life),
            access_token_expires_at=now + self._settings.access_token_life,
            refresh_token=refresh_token,
            refresh_token_expires_at=now + self._settings.refresh_token_life,
        )
        await queries.insert_refresh_token(
            connection,
            digest=digest_of(refresh_token),
            session_id=caller.session_id,
            now=now,
            expires_at=pair.refresh_token_expires_at,
        )
        return pair
