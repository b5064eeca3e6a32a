"""Log in: begin a session with an e-mail address and a password."""

from typing import Any
from uuid import UUID

from bank.errors import Overloaded
from bank.events.event import EventMetadata
from bank.events.types.sessions import SESSION_LIMIT, SessionRevokedEvent, UserLoggedInEvent
from bank.events.types.users import UserProfileChangedEvent
from bank.events.unit_of_work import UnitOfWork, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.closing import earliest_expiry, notify_closed_sessions
from bank.identity.email_address import normalise_email
from bank.identity.failed_login import UNKNOWN_ADDRESS, WRONG_PASSWORD, login_failed, record_failed_login
from bank.identity.register import queries
from bank.identity.second_factor_codes import (
    CODE_REQUIRED,
    UsedCode,
    emit_verified,
    find_factor,
    record_refused_change,
    store_factor,
    use_code,
    wrong_code,
)
from bank.identity.sessions import Sessions
from bank.identity.token_pair import TokenPair, issue_pair
from bank.identity.tokens import Caller, new_refresh_token
from bank.refusal import Refusal

BAD_CREDENTIALS = Refusal(code="INVALID_CREDENTIALS", message="The e-mail address or the password is wrong.")
# A password changes while it is verified once in a while. It changes again during the next attempt only by intention.
_ATTEMPTS_MAX = 3


CODE_NEEDED = Refusal(
    code=CODE_REQUIRED, message="Send a code of your second factor too.", field=("input", "secondFactorCode")
)  # fmt: skip


async def log_in(sessions: Sessions, email: str, password: str, code: str | None = None) -> TokenPair | Refusal:
    """Begin a session, or refuse a wrong address or password. Unknown addresses take the same time.

    A user with a second factor needs a `code` of it as well, or a recovery code.

    If the user has more sessions than `Settings.sessions_per_user`, the oldest one ends. If the hash of the password
    has older parameters, it is replaced.
    """
    for _ in range(_ATTEMPTS_MAX):
        result = await _log_in(sessions, email, password, code)
        if result is not None:
            return result
    raise Overloaded("The password is being changed; try again in a moment.")


@retry_if_rolled_back
async def _log_in(sessions: Sessions, email: str, password: str, code: str | None) -> TokenPair | Refusal | None:
    """Log in; return None if the hash of the password was changed after the password was verified with it."""
    # The empty address stands for every invalid one, since no user has it.
    address = normalise_email(email) or ""
    email_digest = sessions.uow_factory.cipher.lookup_digest("email", address)
    found: Any = None

    async def find_hash() -> str | None:
        nonlocal found
        async with sessions.database.connection() as connection:
            found = await queries.credentials_of(connection, email_digest=email_digest)
        return found["password_hash"] if found else None

    match = await sessions.passwords.verify(find_hash, password, account=address)
    if match is None:
        reason, user_id = (WRONG_PASSWORD, found["id"]) if found else (UNKNOWN_ADDRESS, None)
        await record_failed_login(sessions, reason, user_id=user_id, address=address)
        return BAD_CREDENTIALS
    user_id = found["id"]
    metadata = await sessions.uow_factory.origins.metadata(person_id=user_id)
    used: UsedCode | Refusal | None
    async with sessions.uow_factory.begin() as uow:
        user = await queries.lock_credentials(uow.connection, id=user_id)
        if user is None:
            # The user was erased after the password was verified.
            uow.emit(login_failed(sessions, user_id=user_id))
            return BAD_CREDENTIALS
        if user["password_hash"] != found["password_hash"]:
            return None
        used = await _use_second_factor(sessions, uow, user_id, code)
        if not isinstance(used, Refusal):
            if match.new_hash is not None:
                await _rehash(uow, user_id, found["password_hash"], match.new_hash, metadata)
            caller = Caller(user_id, user["role"], uuid7()).with_second_factor(uow.now if used else None)
            pair, ended = await _begin_session(sessions, uow, caller, used, metadata)
    if isinstance(used, Refusal):
        return await record_refused_change(sessions, user_id, "login", used)
    if ended:
        await sessions.marks.close(ended)
    return pair


async def _use_second_factor(
    sessions: Sessions, uow: UnitOfWork, user_id: UUID, code: str | None
) -> UsedCode | Refusal | None:
    """Return the used code, None for a user without a second factor, or a refusal."""
    factor = await find_factor(uow, user_id)
    if factor is None or not factor.is_confirmed:
        return None
    if code is None:
        return CODE_NEEDED
    return await use_code(uow, sessions.uow_factory.cipher, factor, code) or wrong_code("secondFactorCode")


async def _rehash(uow: UnitOfWork, user_id: UUID, old: str, new: str, metadata: EventMetadata) -> None:
    """Replace the hash of a verified password, which has older parameters. The user's row is locked."""
    profile_digest = await queries.replace_password(
        uow.connection, id=user_id, old=old, new=new, needs_second_factor=False, now=uow.now
    )
    rehashed = UserProfileChangedEvent(
        subject_id=user_id, change="REHASH", profile_digest=profile_digest, initiated_by=user_id
    )
    uow.emit(rehashed, metadata)


async def _begin_session(
    sessions: Sessions, uow: UnitOfWork, caller: Caller, used: UsedCode | None, metadata: EventMetadata
) -> tuple[TokenPair, list[UUID]]:
    """Begin the caller's session; return its tokens, and the sessions that it ended."""
    rows = queries.close_oldest_sessions(
        uow.connection,
        user_id=caller.user_id,
        keep=sessions.settings.sessions_per_user - 1,
        open_after=earliest_expiry(uow.now),
        now=uow.now,
    )
    ended = [row["id"] async for row in rows]
    for ended_id in ended:
        revoked = SessionRevokedEvent(session_id=ended_id, initiated_by=caller.user_id, reason=SESSION_LIMIT)
        uow.emit(revoked, metadata)
    notify_closed_sessions(uow, ended)
    await queries.begin_session(
        uow.connection,
        id=caller.session_id,
        user_id=caller.user_id,
        now=uow.now,
        expires_at=uow.now + sessions.settings.refresh_token_life,
        ip_address=metadata.ip_address,
        user_agent=metadata.user_agent,
        second_factor_at=uow.now if used else None,
    )
    pair = await issue_pair(sessions, uow, caller, new_refresh_token(), UserLoggedInEvent, metadata=metadata)
    if used is not None:
        digest = await store_factor(uow, caller.user_id, used.factor)
        emit_verified(uow, caller, used.method, digest, metadata)
    return pair, ended
