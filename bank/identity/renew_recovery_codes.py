"""New recovery codes in the place of the old ones."""

from dataclasses import replace

from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.register import queries
from bank.identity.second_factor_codes import (
    change_factor,
    draw_recovery_codes,
    find_factor,
    not_enrolled,
    record_refused_change,
    use_code_of_session,
    wrong_code,
)
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.refusal import Refusal


async def renew_recovery_codes(sessions: Sessions, caller: Caller, code: str) -> list[str] | Refusal:
    """Return new recovery codes of the caller. The older ones are not valid any more."""
    result = await _renew(sessions, caller, code)
    if isinstance(result, Refusal):
        return await record_refused_change(sessions, caller.user_id, "renewRecoveryCodes", result)
    return result


@retry_if_rolled_back
async def _renew(sessions: Sessions, caller: Caller, code: str) -> list[str] | Refusal:
    cipher = sessions.uow_factory.cipher
    async with sessions.uow_factory.begin() as uow:
        await queries.lock_user(uow.connection, id=caller.user_id)
        factor = await find_factor(uow, caller.user_id)
        if factor is None or not factor.is_confirmed:
            return not_enrolled()
        used = await use_code_of_session(uow, cipher, caller, factor, code)
        if used is None:
            return wrong_code("code")
        codes, digests = draw_recovery_codes(cipher)
        renewed = replace(used.factor, recovery_digests=digests)
        await change_factor(uow, caller.user_id, renewed, "CODES_RENEWED", by=caller.user_id)
    return codes
