"""The end of a second factor, by its user."""

from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.own_password import VerifiedUser, verify_own_password, wrong_password
from bank.identity.passwords import normalise_password
from bank.identity.register import queries
from bank.identity.second_factor_codes import (
    CODE_REQUIRED,
    change_factor,
    find_factor,
    not_enrolled,
    record_refused_change,
    use_code_of_session,
    wrong_code,
)
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.identity.weakness import PASSWORD_MIN
from bank.refusal import Refusal

TOO_SHORT = Refusal(
    code="WEAK_PASSWORD",
    message=f"Change the password first: without a second factor, it has at least {PASSWORD_MIN} characters.",
    field=("input", "password"),
)
STAFF_KEEP_IT = Refusal(code=CODE_REQUIRED, message="Staff need a second factor; enrol another one to replace it.")


async def disable_second_factor(sessions: Sessions, caller: Caller, password: str, code: str) -> Refusal | None:
    """End the caller's second factor. Staff keep theirs, and a short password is replaced first."""
    user = await verify_own_password(sessions, caller, password, field="password")
    if isinstance(user, Refusal):
        return user
    is_short = len(normalise_password(password) or "") < PASSWORD_MIN
    refusal = TOO_SHORT if is_short else await _disable(sessions, caller, user, code)
    if refusal is not None:
        return await record_refused_change(sessions, caller.user_id, "disableSecondFactor", refusal)
    return None


@retry_if_rolled_back
async def _disable(sessions: Sessions, caller: Caller, user: VerifiedUser, code: str) -> Refusal | None:
    async with sessions.uow_factory.begin() as uow:
        locked = await queries.lock_credentials(uow.connection, id=caller.user_id)
        if locked is None or locked["password_hash"] != user.password_hash:
            return wrong_password("password")
        if locked["role"] != "CUSTOMER":
            return STAFF_KEEP_IT
        factor = await find_factor(uow, caller.user_id)
        if factor is None or not factor.is_confirmed:
            return not_enrolled()
        if await use_code_of_session(uow, sessions.uow_factory.cipher, caller, factor, code) is None:
            return wrong_code("code")
        await change_factor(uow, caller.user_id, None, "DISABLED", by=caller.user_id)
    return None
