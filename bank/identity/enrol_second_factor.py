"""Enrolment of a second factor: a new secret, which is in use once its first code has confirmed it."""

from dataclasses import dataclass, replace
from datetime import datetime

from bank.encryption.texts import encrypt_text
from bank.events.types.second_factors import TOTP
from bank.events.unit_of_work import retry_if_rolled_back
from bank.identity.own_password import VerifiedUser, verify_own_password
from bank.identity.register import queries
from bank.identity.second_factor import (
    SecondFactor,
    accepted_counter,
    is_totp,
    new_secret,
    normalise_code,
    otpauth_uri,
)
from bank.identity.second_factor_codes import (
    CODE_REQUIRED,
    change_factor,
    count_code,
    decrypt_secret,
    draw_recovery_codes,
    emit_verified,
    find_factor,
    is_delayed,
    record_refused_change,
    use_code_of_session,
    wrong_code,
)
from bank.identity.sessions import Sessions
from bank.identity.token_pair import AccessToken, issue_access_token
from bank.identity.tokens import Caller
from bank.refusal import Refusal

ENROL_FIRST = Refusal(
    code="SECOND_FACTOR_NOT_ENROLLED", message="Enrol a second factor first; a secret waits 15 minutes for its code."
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret that waits for its first code, and its URI for a QR code."""

    secret: str
    otpauth_uri: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The recovery codes, which are shown once, and an access token of the session that has the second factor."""

    recovery_codes: list[str]
    access_token: AccessToken


async def enrol_second_factor(
    sessions: Sessions, caller: Caller, password: str, code: str | None
) -> Enrolment | Refusal:
    """Return a new secret for the caller, who confirms it with its first code.

    If the caller has a second factor, a code of it is needed, and it stays in use until the new one is confirmed.
    """
    user = await verify_own_password(sessions, caller, password, field="password")
    if isinstance(user, Refusal):
        return user
    result = await _enrol(sessions, caller, user, code)
    if isinstance(result, Refusal):
        return await record_refused_change(sessions, caller.user_id, "enrolSecondFactor", result)
    return result


@retry_if_rolled_back
async def _enrol(sessions: Sessions, caller: Caller, user: VerifiedUser, code: str | None) -> Enrolment | Refusal:
    cipher, secret = sessions.uow_factory.cipher, new_secret()
    async with sessions.uow_factory.begin() as uow:
        await queries.lock_user(uow.connection, id=caller.user_id)
        factor = await find_factor(uow, caller.user_id) or SecondFactor()
        if factor.is_confirmed:
            if code is None:
                message = "Send a code of your second factor to replace it."
                return Refusal(code=CODE_REQUIRED, message=message, field=("input", "code"))
            used = await use_code_of_session(uow, cipher, caller, factor, code)
            if used is None:
                return wrong_code("code")
            factor = used.factor
        key = await cipher.key_for(caller.user_id, uow.connection)
        factor = replace(factor, pending_secret=encrypt_text(key, secret), pending_since=uow.now)
        await change_factor(uow, caller.user_id, factor, "ENROLLED", by=caller.user_id)
    return Enrolment(secret, otpauth_uri(secret, user.person.email))


async def confirm_second_factor(sessions: Sessions, caller: Caller, code: str) -> Confirmation | Refusal:
    """Use the secret of the caller's enrolment from now on. The session of this request has proved the second factor.

    A repeated request is refused, because a code works once; `renew_recovery_codes` makes other recovery codes.
    """
    result = await _confirm(sessions, caller, code)
    if isinstance(result, Refusal):
        return await record_refused_change(sessions, caller.user_id, "confirmSecondFactor", result)
    codes, now, new_caller = result
    return Confirmation(codes, issue_access_token(sessions, now, new_caller))


@retry_if_rolled_back
async def _confirm(sessions: Sessions, caller: Caller, text: str) -> tuple[list[str], datetime, Caller] | Refusal:
    cipher, code = sessions.uow_factory.cipher, normalise_code(text)
    async with sessions.uow_factory.begin() as uow:
        await queries.lock_user(uow.connection, id=caller.user_id)
        factor = await find_factor(uow, caller.user_id)
        pending = factor.pending_at(uow.now) if factor else None
        if factor is None or pending is None:
            return ENROL_FIRST
        if await is_delayed(uow, caller):
            return wrong_code("code")
        secret = await decrypt_secret(uow, cipher, pending)
        counter = accepted_counter(secret, code, uow.now, None) if code and is_totp(code) else None
        await count_code(uow, caller, is_right=counter is not None)
        if counter is None:
            return wrong_code("code")
        codes, digests = draw_recovery_codes(cipher)
        factor = factor.confirmed(now=uow.now, counter=counter, recovery_digests=digests)
        digest = await change_factor(uow, caller.user_id, factor, "CONFIRMED", by=caller.user_id)
        assert digest is not None
        await queries.prove_second_factor(uow.connection, id=caller.session_id, now=uow.now)
        emit_verified(uow, caller, TOTP, digest)
        return codes, uow.now, caller.with_second_factor(uow.now)
