"""Log in: begin a session with an e-mail address and a password."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bank.errors import Overloaded
from bank.events.event import EventMetadata
from bank.events.types.sessions import SESSION_LIMIT, SessionRevokedEvent, UserLoggedInEvent
from bank.events.types.users import UserProfileChangedEvent
from bank.events.unit_of_work import UnitOfWork, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.closing import earliest_expiry, notify_closed_sessions
from bank.identity.devices import DEVICE_LIFE, device_digest, remember_device
from bank.identity.email_address import normalise_email
from bank.identity.failed_logins import (
    WRONG_CODE,
    Subject,
    buckets_of,
    forget_failures,
    is_any_locked,
    lock_failures,
    record_failed_attempt,
    record_failure,
    subject_of,
)
from bank.identity.lockout import Bucket, Verdict, decide_login
from bank.identity.passwords import PasswordMatch
from bank.identity.register import queries
from bank.identity.second_factor_codes import (
    CODE_REQUIRED,
    INVALID_CODE,
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

# One sentence for an unknown address, a wrong password and an account with a delay, so that they look alike.
BAD_CREDENTIALS = Refusal(
    code="INVALID_CREDENTIALS",
    message="The e-mail address or the password is wrong, or there were too many attempts: "
    "wait up to 15 minutes, and try again.",
)
# A password changes while it is verified once in a while. It changes again during the next attempt only by intention.
_ATTEMPTS_MAX = 3
CODE_NEEDED = Refusal(
    code=CODE_REQUIRED, message="Send a code of your second factor too.", field=("input", "secondFactorCode")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoginTokens(TokenPair):
    """The tokens of a new session, and the token of the device that the user has logged in from."""

    device_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """An attempt to log in, before its password is compared. `user` is the row of the user, None if there is none.

    `device_token` is None unless it is that of a known device.
    """

    user: Any
    subject: Subject
    device_token: str | None
    buckets: list[Bucket]
    was_locked: bool


async def log_in(
    sessions: Sessions, email: str, password: str, *, code: str | None = None, device_token: str | None = None
) -> LoginTokens | Refusal:
    """Begin a session, or refuse a wrong address or password, or an attempt during a delay after failed ones.

    The three take the same time: one hash, and the same statements. A user with a second factor needs a `code` of it as
    well, or a recovery code.

    If the user has more sessions than `Settings.sessions_per_user`, the oldest one ends. If the hash of the password
    has older parameters, it is replaced.
    """
    for _ in range(_ATTEMPTS_MAX):
        result = await _log_in(sessions, email, password, code, device_token)
        if result is not None:
            return result
    raise Overloaded("The password is being changed; try again in a moment.")


@retry_if_rolled_back
async def _log_in(
    sessions: Sessions, email: str, password: str, code: str | None, device_token: str | None
) -> LoginTokens | Refusal | None:
    """Log in; return None if the hash of the password was changed after the password was verified with it."""
    # The empty address stands for every invalid one, since no user has it.
    address = normalise_email(email) or ""
    attempt: _Attempt | None = None

    async def find_hash() -> str | None:
        nonlocal attempt
        attempt = await _begin_attempt(sessions, address, device_token)
        return attempt.user["password_hash"] if attempt.user else None

    match = await sessions.passwords.verify(find_hash, password, account=address)
    assert attempt is not None, "the hash was looked up"
    if match is not None and not attempt.was_locked:
        return await _open_session(sessions, attempt, match, code)
    await record_failed_attempt(sessions.uow_factory, attempt.buckets, attempt.subject, was_locked=attempt.was_locked)
    return BAD_CREDENTIALS


async def _begin_attempt(sessions: Sessions, address: str, device_token: str | None) -> _Attempt:
    now, cipher = sessions.clock.now(), sessions.uow_factory.cipher
    email_digest, token_digest = cipher.lookup_digest("email", address), device_digest(device_token)
    async with sessions.database.connection() as connection:
        user = await queries.credentials_of(
            connection, email_digest=email_digest, device_digest=token_digest, used_after=now - DEVICE_LIFE
        )
        knows_device = bool(user and user["knows_device"])
        buckets = buckets_of(
            sessions.settings, cipher, email_digest=email_digest, device_digest=token_digest if knows_device else None
        )
        was_locked = await is_any_locked(connection, buckets, now)
    secret = sessions.settings.token_secret.get_secret_value()
    return _Attempt(
        user=user,
        subject=subject_of(secret, user["id"] if user else None, address),
        device_token=device_token if knows_device else None,
        buckets=buckets,
        was_locked=was_locked,
    )


async def _open_session(
    sessions: Sessions, attempt: _Attempt, match: PasswordMatch, code: str | None
) -> LoginTokens | Refusal | None:
    """Begin a session after the right password, unless the account was locked or erased meanwhile."""
    user_id = attempt.user["id"]
    metadata = await sessions.uow_factory.origins.metadata(person_id=user_id)
    used: UsedCode | Refusal | None
    async with sessions.uow_factory.begin() as uow:
        user = await queries.lock_credentials(uow.connection, id=user_id)
        if user is not None and user["password_hash"] != attempt.user["password_hash"]:
            return None
        failures = await lock_failures(uow, attempt.buckets[0])
        is_locked = failures is not None and failures.is_locked(uow.now)
        # A user who was erased after the password was verified has no row.
        if user is None or decide_login(was_locked=False, is_locked=is_locked, matches=True) is not Verdict.ADMIT:
            await record_failure(uow, attempt.buckets, attempt.subject, counts=False)
            return BAD_CREDENTIALS
        used = await _use_second_factor(sessions, uow, user_id, code)
        if isinstance(used, Refusal):
            # Without a code, nothing is counted and nothing forgotten: a thief of the password has no more guesses.
            if used.code == INVALID_CODE:
                await record_failure(uow, attempt.buckets, attempt.subject, counts=True, reason=WRONG_CODE)
        else:
            if failures is not None:
                await forget_failures(uow.connection, attempt.buckets[0])
            if match.new_hash is not None:
                await _rehash(uow, user_id, attempt.user["password_hash"], match.new_hash, metadata)
            device_token = await remember_device(uow, user_id, attempt.device_token)
            caller = Caller(user_id, user["role"], uuid7(), step_up_above_minor=user["step_up_above_minor"])
            caller = caller.with_second_factor(uow.now if used else None)
            new_device = attempt.device_token is None
            pair, ended = await _begin_session(sessions, uow, caller, used, metadata, new_device=new_device)
    if isinstance(used, Refusal):
        return used if used.code == INVALID_CODE else await record_refused_change(sessions, user_id, "login", used)
    if ended:
        await sessions.marks.close(ended)
    return LoginTokens(
        access_token=pair.access_token,
        access_token_expires_at=pair.access_token_expires_at,
        refresh_token=pair.refresh_token,
        refresh_token_expires_at=pair.refresh_token_expires_at,
        device_token=device_token,
    )


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
    sessions: Sessions,
    uow: UnitOfWork,
    caller: Caller,
    used: UsedCode | None,
    metadata: EventMetadata,
    *,
    new_device: bool,
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
    pair = await issue_pair(
        sessions, uow, caller, new_refresh_token(), UserLoggedInEvent, metadata=metadata, new_device=new_device
    )
    if used is not None:
        digest = await store_factor(uow, caller.user_id, used.factor)
        emit_verified(uow, caller, used.method, digest, metadata)
    return pair, ended
