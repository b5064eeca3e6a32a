"""The proof of the second factor within a session (step-up)."""

from dataclasses import dataclass, replace
from datetime import datetime

from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.register import queries
from bank.identity.second_factor_codes import (
    emit_verified,
    find_factor,
    not_enrolled,
    record_refused_change,
    store_factor,
    use_code_of_session,
    wrong_code,
)
from bank.identity.sessions import Sessions
from bank.identity.token_pair import AccessToken, issue_access_token
from bank.identity.tokens import Caller
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Proof:
    """An access token of a session that has just proved the second factor, and the time of the proof."""

    access_token: AccessToken
    proved_at: datetime


async def verify_second_factor(sessions: Sessions, caller: Caller, code: str) -> Proof | Refusal:
    """Prove the second factor of the caller's session, and return an access token that says so.

    A wrong code counts as a failed login of this session. A repeated request is refused, because a code works once. If
    the response was lost, a refresh returns a token with the proof as well.
    """
    result = await _verify(sessions, caller, code)
    if isinstance(result, Refusal):
        return await record_refused_change(sessions, caller.user_id, "verifySecondFactor", result)
    proved_at, new_caller = result
    return Proof(issue_access_token(sessions, proved_at, new_caller), proved_at)


@retry_if_rolled_back
async def _verify(sessions: Sessions, caller: Caller, code: str) -> tuple[datetime, Caller] | Refusal:
    async with sessions.uow_factory.begin() as uow:
        user = await queries.lock_step_up(uow.connection, id=caller.user_id)
        factor = await find_factor(uow, caller.user_id)
        if factor is None or not factor.is_confirmed:
            return not_enrolled()
        used = await use_code_of_session(uow, sessions.uow_factory.cipher, caller, factor, code)
        if used is None:
            return wrong_code("code")
        digest = await store_factor(uow, caller.user_id, used.factor)
        await queries.prove_second_factor(uow.connection, id=caller.session_id, now=uow.now)
        emit_verified(uow, caller, used.method, digest)
        # Another session may have changed the limit since the token of this request was issued.
        new_caller = replace(caller, step_up_above_minor=user["step_up_above_minor"])
        return uow.now, new_caller.with_second_factor(uow.now)
