"""Sessions: log in, refresh, close, and check that a session is open."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bank.cache.session_marks import SessionMarks
from bank.clock import Clock
from bank.database.pool import Database
from bank.errors import Unauthenticated
from bank.events.recorder import EventRecorder
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.sessions import (
    LoginFailedEvent,
    RefreshTokenReusedEvent,
    SessionRefreshedEvent,
    UserLoggedInEvent,
    UserLoggedOutEvent,
)
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.closing import notify_closed_sessions
from bank.identity.email_address import normalise_email
from bank.identity.passwords import Passwords
from bank.identity.register import queries
from bank.identity.tokens import AccessTokens, Caller, keyed_digest, new_refresh_token, refresh_token_digest
from bank.refusal import Refusal
from bank.settings import Settings
from bank.telemetry.context import current_context
from bank.telemetry.metrics import FAILED_LOGINS

BAD_CREDENTIALS = Refusal(code="INVALID_CREDENTIALS", message="The e-mail address or the password is wrong.")
BAD_REFRESH_TOKEN = Refusal(
    code="INVALID_REFRESH_TOKEN",
    message="The refresh token is unknown, used up or expired; log in again.",
    field=("input", "refreshToken"),
)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token, and the refresh token that can be exchanged once for the next pair."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    refresh_token_expires_at: datetime


class Sessions:
    """The sessions of users. The database decides if a session is open; Redis only has signed marks of it (R10)."""

    def __init__(
        self,
        *,
        uow_factory: UnitOfWorkFactory,
        database: Database,
        recorder: EventRecorder,
        marks: SessionMarks,
        passwords: Passwords,
        tokens: AccessTokens,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._uow_factory = uow_factory
        self._database = database
        self._recorder = recorder
        self._marks = marks
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._settings = settings

    @retry_if_rolled_back
    async def log_in(self, email: str, password: str) -> TokenPair | Refusal:
        """Begin a session, or refuse a wrong address or password. Unknown addresses take the same time."""
        # The empty address stands for every invalid one, since no user has it.
        address = normalise_email(email) or ""
        found: Any = None

        async def find_hash() -> str | None:
            nonlocal found
            async with self._database.connection() as connection:
                found = await queries.credentials_of(connection, email=address)
            return found["password_hash"] if found else None

        if not await self._passwords.verify(find_hash, password, account=address):
            FAILED_LOGINS.labels("wrong_password" if found else "unknown_address").inc()
            await self._recorder.record(self._login_failed(found["id"] if found else None, address))
            return BAD_CREDENTIALS
        user_id, session_id = found["id"], uuid7()
        context = current_context()
        async with self._uow_factory.begin() as uow:
            now = uow.now
            role = await queries.begin_session(
                uow.connection,
                id=session_id,
                user_id=user_id,
                now=now,
                expires_at=now + self._settings.refresh_token_life,
                ip_address=context.ip_address if context else None,
                user_agent=context.user_agent if context else None,
            )
            return await self._issue(uow, Caller(user_id, role, session_id), UserLoggedInEvent)

    @retry_if_rolled_back
    async def refresh(self, refresh_token: str) -> TokenPair | Refusal:
        """Exchange a refresh token for the next pair. If it was used before, it was stolen, and its session closes."""
        digest = refresh_token_digest(refresh_token)
        async with self._uow_factory.begin() as uow:
            now = uow.now
            row = await queries.lock_refresh_token(uow.connection, digest=digest)
            if row and row["used_at"] is None and row["closed_at"] is None and row["expires_at"] > now:
                await queries.use_refresh_token(uow.connection, digest=digest, now=now)
                caller = Caller(row["user_id"], row["role"], row["session_id"])
                await queries.extend_session(
                    uow.connection, id=caller.session_id, expires_at=now + self._settings.refresh_token_life
                )
                return await self._issue(uow, caller, SessionRefreshedEvent)
            stolen = row is not None and row["used_at"] is not None and row["closed_at"] is None
            if stolen:
                await queries.close_session(uow.connection, id=row["session_id"], now=now)
                uow.emit(RefreshTokenReusedEvent(session_id=row["session_id"], owner_id=row["user_id"]))
                notify_closed_sessions(uow, [row["session_id"]])
        if stolen:
            await self._marks.close(row["session_id"])
        else:
            await self._recorder.record(_refresh_refused(row["user_id"] if row else None))
        return BAD_REFRESH_TOKEN

    @retry_if_rolled_back
    async def close(self, caller: Caller) -> None:
        """Close the caller's session. From the return on, all of its tokens are refused."""
        async with self._uow_factory.begin() as uow:
            await queries.close_session(uow.connection, id=caller.session_id, now=uow.now)
            uow.emit(UserLoggedOutEvent(session_id=caller.session_id, initiated_by=caller.user_id))
            notify_closed_sessions(uow, [caller.session_id])
        await self._marks.close(caller.session_id)

    async def require_open(self, caller: Caller, mark: str | None) -> None:
        """Raise `Unauthenticated` unless the caller's session is open. `mark` is its mark in Redis, or None."""
        is_open = self._marks.is_open(caller.session_id, mark)
        if is_open is None:
            async with self._database.connection() as connection:
                row = await queries.is_session_open(connection, id=caller.session_id, now=self._clock.now())
            is_open = bool(row["is_open"])
            if is_open:
                await self._marks.mark_open(caller.session_id, row["asked_at"])
        if not is_open:
            raise Unauthenticated("This session is closed; log in again.")

    def _login_failed(self, user_id: UUID | None, address: str) -> LoginFailedEvent:
        secret = self._settings.token_secret.get_secret_value()
        return LoginFailedEvent(
            subject_id=user_id, address_digest=None if user_id else keyed_digest(secret, f"address {address}")
        )

    async def _issue(self, uow: UnitOfWork, caller: Caller, event_type: type[UserLoggedInEvent]) -> TokenPair:
        """Issue the next pair of tokens, and emit the event of the login or the refresh."""
        refresh_token, now = new_refresh_token(), uow.now
        digest = refresh_token_digest(refresh_token)
        pair = TokenPair(
            access_token=self._tokens.issue(caller, expires_at=now + self._settings.access_token_life),
            access_token_expires_at=now + self._settings.access_token_life,
            refresh_token=refresh_token,
            refresh_token_expires_at=now + self._settings.refresh_token_life,
        )
        await queries.insert_refresh_token(
            uow.connection,
            digest=digest,
            session_id=caller.session_id,
            now=now,
            expires_at=pair.refresh_token_expires_at,
        )
        uow.emit(
            event_type(
                session_id=caller.session_id,
                initiated_by=caller.user_id,
                expires_at=pair.refresh_token_expires_at,
                token_digest=digest.hex(),
            )
        )
        return pair


def _refresh_refused(user_id: UUID | None) -> ActionRefusedEvent:
    return ActionRefusedEvent(
        action="refreshSession",
        code=BAD_REFRESH_TOKEN.code,
        entity_type="User",
        entity_id=user_id,
        initiated_by=user_id,
    )
