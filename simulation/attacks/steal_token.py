"""Token theft: a copied refresh token is used after its owner has used it (RFC 9700, 4.14.2; decision 0028)."""

import asyncio

from simulation.attacks.record import AttackRecorder, tokens_in
from simulation.model.answers import Tokens
from simulation.model.attacks import AttackRequest, Theft

LOGIN = "the owner logs in"
REFRESH = "the owner refreshes"
STOLEN = "the thief refreshes within the grace period"
DETECTED = "a used token comes again"
AFTERWARDS = "a token of the ended session"
AGAIN = "the owner logs in again"
AT_HOME = "the owner reads with the new session"

SLACK_S = 0.3
"""The time after the grace period until the stolen token is used."""

EVERYWHERE_S = 1.0
"""The time in which all workers must refuse the tokens of an ended session."""

REFUSED = frozenset({"INVALID_REFRESH_TOKEN"})


async def steal_token(recorder: AttackRecorder) -> None:
    """Let the victim log in and refresh, use the copied token, and try what is left of the session."""
    copied = await recorder.log_in_as_owner(LOGIN)
    newest = await _refresh(recorder, copied, REFRESH, by_owner=True)
    if copied is None or newest is None:
        return
    grace_s = recorder.plan.protection.refresh_grace_s if recorder.plan.protection else 0
    match recorder.attack.theft:
        case Theft.LATE:
            await asyncio.sleep(grace_s + SLACK_S)
            detected = await _use(recorder, copied)
        case Theft.SUCCESSOR_USED:
            newest = await _refresh(recorder, newest, REFRESH, by_owner=True) or newest
            detected = await _use(recorder, copied)
        case _:
            # The thief gets the same successor as the owner, and uses it. The owner's own use is then the second one.
            theirs = await _refresh(recorder, copied, STOLEN, by_owner=False)
            if theirs is None:
                return
            owners, newest = newest, await _refresh(recorder, theirs, STOLEN, by_owner=False) or theirs
            await asyncio.sleep(grace_s + SLACK_S)
            detected = await _use(recorder, owners, by_owner=True)
    if not detected.is_answered:
        return
    await asyncio.sleep(EVERYWHERE_S)
    for worker in range(recorder.workers):
        await recorder.send(AFTERWARDS, "Me", {}, token=newest.access, worker=worker, expected={"UNAUTHENTICATED"})
        await recorder.send(AFTERWARDS, "RefreshSession", _variables(newest), worker=worker, expected=REFUSED)
    again = await recorder.log_in_as_owner(AGAIN)
    if again is not None:
        await recorder.send_as_owner(AT_HOME, "Me", {}, token=again.access)


async def _refresh(recorder: AttackRecorder, tokens: Tokens | None, step: str, *, by_owner: bool) -> Tokens | None:
    if tokens is None:
        return None
    send = recorder.send_as_owner if by_owner else recorder.send
    return tokens_in(await send(step, "RefreshSession", _variables(tokens)))


async def _use(recorder: AttackRecorder, tokens: Tokens, *, by_owner: bool = False) -> AttackRequest:
    send = recorder.send_as_owner if by_owner else recorder.send
    return await send(DETECTED, "RefreshSession", _variables(tokens), expected=REFUSED)


def _variables(tokens: Tokens) -> dict[str, object]:
    return {"input": {"refreshToken": tokens.refresh}}
