"""Log in: begin a session with an e-mail address and a password."""

from typing import Any
from uuid import UUID

from bank.events.types.sessions import SESSION_LIMIT, LoginFailedEvent, SessionRevokedEvent, UserLoggedInEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.closing import earliest_expiry, notify_closed_sessions
from bank.identity.email_address import normalise_email
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.token_pair import TokenPair, issue_pair
from bank.identity.tokens import Caller, keyed_digest, new_refresh_token
from bank.refusal import Refusal
from bank.telemetry.metrics import FAILED_LOGINS

BAD_CREDENTIALS = Refusal(code="INVALID_CREDENTIALS", message="The e-mail address or the password is wrong.")


@retry_if_rolled_back
async def log_in(sessions: Sessions, email: str, password: str) -> TokenPair | Refusal:
    """Begin a session, or refuse a wrong address or password. Unknown addresses take the same time.

    If the user has more sessions than `Settings.sessions_per_user`, the oldest one ends.
    """
    # The empty address stands for every invalid one, since no user has it.
    address = normalise_email(email) or ""
    email_digest = sessions.uow_factory.cipher.lookup_digest("email", address)
    found: Any = None

    async def find_hash() -> str | None:
        nonlocal found
        async with sessions.database.connection() as connection:
            found = await queries.credentials_of(connection, email_digest=email_digest)
        return found["password_hash"] if found else None

    if not await sessions.passwords.verify(find_hash, password, account=address):
        FAILED_LOGINS.labels("wrong_password" if found else "unknown_address").inc()
        await sessions.recorder.record(_login_failed(sessions, found["id"] if found else None, address))
        return BAD_CREDENTIALS
    user_id, session_id = found["id"], uuid7()
    metadata = await sessions.uow_factory.origins.metadata(person_id=user_id)
    async with sessions.uow_factory.begin() as uow:
        role = await queries.lock_user(uow.connection, id=user_id)
        if role is None:
            # The user was erased after the password was verified.
            uow.emit(_login_failed(sessions, user_id, address))
            return BAD_CREDENTIALS
        rows = queries.close_oldest_sessions(
            uow.connection,
            user_id=user_id,
            keep=sessions.settings.sessions_per_user - 1,
            open_after=earliest_expiry(uow.now),
            now=uow.now,
        )
        ended = [row["id"] async for row in rows]
        for ended_id in ended:
            uow.emit(SessionRevokedEvent(session_id=ended_id, initiated_by=user_id, reason=SESSION_LIMIT), metadata)
        notify_closed_sessions(uow, ended)
        await queries.begin_session(
            uow.connection,
            id=session_id,
            user_id=user_id,
            now=uow.now,
            expires_at=uow.now + sessions.settings.refresh_token_life,
            ip_address=metadata.ip_address,
            user_agent=metadata.user_agent,
        )
        caller = Caller(user_id, role, session_id)
        pair = await issue_pair(sessions, uow, caller, new_refresh_token(), UserLoggedInEvent, metadata=metadata)
    if ended:
        await sessions.marks.close(ended)
    return pair


def _login_failed(sessions: Sessions, user_id: UUID | None, address: str) -> LoginFailedEvent:
    secret = sessions.settings.token_secret.get_secret_value()
    return LoginFailedEvent(
        subject_id=user_id, address_digest=None if user_id else keyed_digest(secret, f"address {address}")
    )
