"""The change of the own limit for payments without a fresh second factor."""

from dataclasses import dataclass, replace

from bank.events.types.second_factors import StepUpLimitChangedEvent
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.register import queries
from bank.identity.second_factor_codes import record_refused_change
from bank.identity.sessions import Sessions
from bank.identity.step_up import StepUpPolicy
from bank.identity.token_pair import AccessToken, issue_access_token
from bank.identity.tokens import Caller
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True)
class ChangedLimit:
    """An access token with the new limit, the limit that is valid now, and the new version of the user.

    `version` is None if nothing has changed.
    """

    access_token: AccessToken
    above_minor: int
    version: int | None


async def set_step_up_limit(
    sessions: Sessions, policy: StepUpPolicy, caller: Caller, above_minor: int | None
) -> ChangedLimit | Refusal:
    """Set the caller's own limit for payments without a fresh second factor, or remove it with None.

    Access tokens of other sessions have the old limit until they are refreshed.
    """
    result = await _set(sessions, policy, caller, above_minor)
    if isinstance(result, Refusal):
        return await record_refused_change(sessions, caller.user_id, "setStepUpLimit", result)
    return result


@retry_if_rolled_back
async def _set(
    sessions: Sessions, policy: StepUpPolicy, caller: Caller, above_minor: int | None
) -> ChangedLimit | Refusal:
    version = None
    async with sessions.uow_factory.begin() as uow:
        old_minor = (await queries.lock_step_up(uow.connection, id=caller.user_id))["step_up_above_minor"]
        refusal = policy.decide_limit(caller, old_minor, above_minor, uow.now)
        if refusal is not None:
            return refusal
        if above_minor != old_minor:
            version = await queries.set_step_up(uow.connection, id=caller.user_id, above_minor=above_minor, now=uow.now)
            uow.emit(
                StepUpLimitChangedEvent(
                    subject_id=caller.user_id,
                    old_above_minor=old_minor,
                    above_minor=above_minor,
                    initiated_by=caller.user_id,
                )
            )
    token = issue_access_token(sessions, uow.now, replace(caller, step_up_above_minor=above_minor))
    return ChangedLimit(token, policy.limit_minor(above_minor), version)
