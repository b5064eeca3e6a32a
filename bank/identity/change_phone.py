"""Change of the caller's phone number."""

from dataclasses import dataclass

from bank.encryption.texts import encrypt_text
from bank.events.types.users import UserProfileChangedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.own_password import VerifiedUser, verify_own_password, wrong_password
from bank.identity.register import queries
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePhone:
    """The command to change the caller's phone number, in E.164, or to remove it."""

    phone: str | None
    password: str


async def change_phone(sessions: Sessions, caller: Caller, command: ChangePhone) -> int | Refusal:
    """Change the number for messages to the caller, and return the new version of the user.

    A wrong password counts as a failed login. Security messages go to the number, so that a stolen session alone must
    not change it. Several users may have the same number, such as a family.
    """
    user = await verify_own_password(sessions, caller, command.password, field="password")
    return user if isinstance(user, Refusal) else await _store(sessions, caller, user, command.phone)


@retry_if_rolled_back
async def _store(sessions: Sessions, caller: Caller, user: VerifiedUser, phone: str | None) -> int | Refusal:
    async with sessions.uow_factory.begin() as uow:
        key = await sessions.uow_factory.cipher.key_for(caller.user_id, uow.connection)
        changed = await queries.replace_phone(
            uow.connection,
            id=caller.user_id,
            password_hash=user.password_hash,
            phone=phone and encrypt_text(key, phone),
            now=uow.now,
        )
        if changed is None:
            # Another request has changed the password since it was verified.
            return wrong_password("password")
        uow.emit(
            UserProfileChangedEvent(
                subject_id=caller.user_id,
                change="PHONE",
                profile_digest=changed["profile_digest"],
                initiated_by=caller.user_id,
            )
        )
    version: int = changed["version"]
    return version
