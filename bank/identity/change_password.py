"""Change of the caller's password."""

from dataclasses import dataclass

from bank.events.types.users import PasswordChangedEvent, UserProfileChangedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.closing import close_other_sessions
from bank.identity.own_password import VerifiedUser, record_refusal, verify_own_password, wrong_password
from bank.identity.passwords import WeakPassword, normalise_password
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.identity.weakness import PASSWORD_MIN, PASSWORD_MIN_WITH_SECOND_FACTOR
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword:
    """The command to change the caller's password. `end_other_sessions` ends all sessions except for the current."""

    current_password: str
    new_password: str
    end_other_sessions: bool = True


async def change_password(sessions: Sessions, caller: Caller, command: ChangePassword) -> int | Refusal:
    """Change the caller's password; return the number of other sessions that it ended.

    A wrong current password counts as a failed login, and a new one follows the rules of the registration.
    """
    user = await verify_own_password(sessions, caller, command.current_password, field="currentPassword")
    if isinstance(user, Refusal):
        return user
    shortest = PASSWORD_MIN_WITH_SECOND_FACTOR if user.has_second_factor else PASSWORD_MIN
    password_hash = await sessions.passwords.hash_new(command.new_password, user.person, shortest=shortest)
    if isinstance(password_hash, WeakPassword):
        refusal = Refusal(code="WEAK_PASSWORD", message=password_hash.message, field=("input", "newPassword"))
        await record_refusal(sessions, caller.user_id, "changePassword", refusal.code)
        return refusal
    is_short = len(normalise_password(command.new_password) or "") < PASSWORD_MIN
    return await _store(
        sessions,
        caller,
        user,
        password_hash,
        is_short=is_short,
        end_other_sessions=command.end_other_sessions,
    )


@retry_if_rolled_back
async def _store(
    sessions: Sessions,
    caller: Caller,
    user: VerifiedUser,
    password_hash: str,
    *,
    is_short: bool,
    end_other_sessions: bool,
) -> int | Refusal:
    async with sessions.uow_factory.begin() as uow:
        await queries.lock_user(uow.connection, id=caller.user_id)
        profile_digest = await queries.replace_password(
            uow.connection,
            id=caller.user_id,
            old=user.password_hash,
            new=password_hash,
            needs_second_factor=is_short,
            now=uow.now,
        )
        ended = []
        if profile_digest is not None:
            if end_other_sessions:
                ended = await close_other_sessions(uow, caller)
            profile_changed = UserProfileChangedEvent(
                subject_id=caller.user_id,
                change="PASSWORD",
                profile_digest=profile_digest,
                initiated_by=caller.user_id,
            )
            uow.emit(profile_changed)
            uow.emit(
                PasswordChangedEvent(subject_id=caller.user_id, ended_sessions=len(ended), initiated_by=caller.user_id)
            )
    if profile_digest is None:
        # Another request has changed the password, or disabled the second factor, since it was verified.
        await record_refusal(sessions, caller.user_id, "changePassword", "INVALID_CREDENTIALS")
        return wrong_password("currentPassword")
    await sessions.marks.close(ended)
    return len(ended)
