"""Change of the caller's e-mail address."""

from dataclasses import dataclass

import asyncpg

from bank.encryption.texts import encrypt_text
from bank.events.types.users import UserProfileChangedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.closing import close_other_sessions
from bank.identity.new_address import read_new_address
from bank.identity.own_password import VerifiedUser, record_refusal, verify_own_password, wrong_password
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEmail:
    """The command to change the caller's e-mail address. `end_other_sessions` ends all except for the current one."""

    new_email: str
    password: str
    end_other_sessions: bool = True


@dataclass(frozen=True, slots=True)
class EmailChanged:
    """The result: the new version of the user, and the number of other sessions that ended."""

    version: int
    ended_sessions: int


async def change_email(sessions: Sessions, caller: Caller, command: ChangeEmail) -> EmailChanged | Refusal:
    """Change the address with which the caller logs in. A wrong password counts as a failed login."""
    address = read_new_address(command.new_email, field="newEmail")
    if isinstance(address, Refusal):
        result: EmailChanged | Refusal = address
    else:
        user = await verify_own_password(sessions, caller, command.password, field="password")
        if isinstance(user, Refusal):
            return user
        result = await _store(sessions, caller, user, address, end_other_sessions=command.end_other_sessions)
    if isinstance(result, Refusal):
        await record_refusal(sessions, caller.user_id, "changeEmail", result.code)
    return result


@retry_if_rolled_back
async def _store(
    sessions: Sessions, caller: Caller, user: VerifiedUser, address: str, *, end_other_sessions: bool
) -> EmailChanged | Refusal:
    if address == user.person.email:
        return Refusal(code="INVALID_INPUT", message="This is your address already.", field=("input", "newEmail"))
    cipher = sessions.uow_factory.cipher
    try:
        async with sessions.uow_factory.begin() as uow:
            await queries.lock_user(uow.connection, id=caller.user_id)
            changed = await queries.replace_email(
                uow.connection,
                id=caller.user_id,
                password_hash=user.password_hash,
                email=encrypt_text(await cipher.key_for(caller.user_id, uow.connection), address),
                email_digest=cipher.lookup_digest("email", address),
                now=uow.now,
            )
            ended = []
            if changed is not None:
                if end_other_sessions:
                    ended = await close_other_sessions(uow, caller)
                uow.emit(
                    UserProfileChangedEvent(
                        subject_id=caller.user_id,
                        change="EMAIL",
                        profile_digest=changed["profile_digest"],
                        # Encrypted, as it was stored.
                        old_email=user.stored_email,
                        initiated_by=caller.user_id,
                    )
                )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_email_is_unique":
            raise
        message = "This e-mail address belongs to another customer."
        return Refusal(code="EMAIL_TAKEN", message=message, field=("input", "newEmail"))
    if changed is None:
        # Another request has changed the password since it was verified.
        return wrong_password("password")
    await sessions.marks.close(ended)
    return EmailChanged(changed["version"], len(ended))
