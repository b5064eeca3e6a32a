"""The use of a code of a second factor, and the storage of the factor, in a unit of work that has locked the user."""

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from bank.encryption.cipher import PersonalTextCipher
from bank.events.event import EventMetadata
from bank.events.types.second_factors import RECOVERY_CODE, TOTP, SecondFactorChangedEvent, SecondFactorVerifiedEvent
from bank.events.unit_of_work import UnitOfWork
from bank.identity.failed_logins import (
    WRONG_CODE,
    Subject,
    code_bucket,
    forget_failures,
    lock_failures,
    record_failure,
)
from bank.identity.own_password import record_refusal
from bank.identity.register import queries
from bank.identity.second_factor import SecondFactor, accepted_counter, is_totp, new_recovery_codes, normalise_code
from bank.identity.sessions import Sessions
from bank.identity.tokens import Caller
from bank.refusal import Refusal

INVALID_CODE = "INVALID_SECOND_FACTOR"
CODE_REQUIRED = "SECOND_FACTOR_REQUIRED"
NOT_ENROLLED = "SECOND_FACTOR_NOT_ENROLLED"


class UsedCode(NamedTuple):
    """A code that was accepted: the factor in which it is used, and its method."""

    factor: SecondFactor
    method: str


def wrong_code(field: str) -> Refusal:
    """Return the refusal of a wrong, old or used code, and of every code during a delay after wrong ones."""
    message = "The code is wrong or was used already, or there were too many attempts: wait up to 15 minutes."
    return Refusal(code=INVALID_CODE, message=message, field=("input", field))


def not_enrolled() -> Refusal:
    """Return the refusal for a user without a second factor."""
    return Refusal(code=NOT_ENROLLED, message="Enrol a second factor first.")


async def find_factor(uow: UnitOfWork, user_id: UUID) -> SecondFactor | None:
    """Return the second factor of a user whose row is locked.

    It is a statement of its own after the lock, so that it sees a code that was used while the lock was waited for.
    """
    row = await queries.second_factor_of(uow.connection, user_id=user_id)
    if row is None:
        return None
    return SecondFactor(**{**row, "recovery_digests": tuple(row["recovery_digests"])})


async def use_code(uow: UnitOfWork, cipher: PersonalTextCipher, factor: SecondFactor, text: str) -> UsedCode | None:
    """Return the factor with a code used up, or None if the code is not valid now or was used before."""
    code = normalise_code(text)
    if code is None or not factor.is_confirmed:
        return None
    if is_totp(code):
        secret = await decrypt_secret(uow, cipher, factor.secret)
        counter = accepted_counter(secret, code, uow.now, factor.last_counter)
        return None if counter is None else UsedCode(replace(factor, last_counter=counter), TOTP)
    digest = recovery_digest(cipher, code)
    if digest not in factor.recovery_digests:
        return None
    left = tuple(other for other in factor.recovery_digests if other != digest)
    return UsedCode(replace(factor, recovery_digests=left), RECOVERY_CODE)


async def use_code_of_session(
    uow: UnitOfWork, cipher: PersonalTextCipher, caller: Caller, factor: SecondFactor, text: str
) -> UsedCode | None:
    """Return the factor with a code used up, as `use_code`. A wrong code counts as a failed login of this session.

    During a delay after wrong codes, no code is valid.
    """
    used = None
    if not await is_delayed(uow, caller):
        used = await use_code(uow, cipher, factor, text)
        await count_code(uow, caller, is_right=used is not None)
    return used


async def is_delayed(uow: UnitOfWork, caller: Caller) -> bool:
    """Return whether the session has to wait after wrong codes. Then the attempt is recorded, and does not count."""
    bucket = code_bucket(caller.session_id)
    failures = await lock_failures(uow, bucket)
    if failures is None or not failures.is_locked(uow.now):
        return False
    await record_failure(uow, [bucket], _subject_of(caller), counts=False)
    return True


async def count_code(uow: UnitOfWork, caller: Caller, *, is_right: bool) -> None:
    """Forget the wrong codes of a session after a right one, or count one more."""
    bucket = code_bucket(caller.session_id)
    if is_right:
        await forget_failures(uow.connection, bucket)
    else:
        await record_failure(uow, [bucket], _subject_of(caller), counts=True, reason=WRONG_CODE)


def _subject_of(caller: Caller) -> Subject:
    return Subject(user_id=caller.user_id, address_digest=None)


async def decrypt_secret(uow: UnitOfWork, cipher: PersonalTextCipher, stored: str | None) -> str:
    """Return a secret in plain text. The empty text, for which no code is valid, if the user's key is destroyed."""
    plain = await cipher.decrypt([stored], uow.connection.fetch)
    return plain[stored] or ""


def recovery_digest(cipher: PersonalTextCipher, code: str) -> str:
    """Return the keyed digest by which a recovery code is stored. `code` is in its normal form."""
    return cipher.lookup_digest("recovery code", code).hex()


def draw_recovery_codes(cipher: PersonalTextCipher) -> tuple[list[str], tuple[str, ...]]:
    """Return new recovery codes for the user, and their digests."""
    codes = new_recovery_codes()
    return codes, tuple(recovery_digest(cipher, normalise_code(code) or "") for code in codes)


async def store_factor(uow: UnitOfWork, user_id: UUID, factor: SecondFactor) -> str:
    """Store a second factor; return the digest of its state for the event."""
    digest: str = await queries.store_second_factor(
        uow.connection,
        user_id=user_id,
        secret=factor.secret,
        confirmed_at=factor.confirmed_at,
        last_counter=factor.last_counter,
        recovery_digests=list(factor.recovery_digests),
        pending_secret=factor.pending_secret,
        pending_since=factor.pending_since,
    )
    return digest


async def change_factor(
    uow: UnitOfWork, user_id: UUID, factor: SecondFactor | None, change: str, *, by: UUID | None
) -> str | None:
    """Store a changed second factor, or delete it, and emit the event; return the digest of its state."""
    digest = None
    if factor is None:
        await queries.delete_second_factor(uow.connection, user_id=user_id)
    else:
        digest = await store_factor(uow, user_id, factor)
    uow.emit(SecondFactorChangedEvent(subject_id=user_id, change=change, state_digest=digest, initiated_by=by))
    return digest


def emit_verified(
    uow: UnitOfWork, caller: Caller, method: str, digest: str, metadata: EventMetadata | None = None
) -> None:
    """Emit the event of a session that has proved the second factor now."""
    uow.emit(
        SecondFactorVerifiedEvent(
            session_id=caller.session_id, initiated_by=caller.user_id, method=method, state_digest=digest
        ),
        metadata,
    )


async def record_refused_change(sessions: Sessions, user_id: UUID, action: str, refusal: Refusal) -> Refusal:
    """Record and return the refusal of a request about the second factor. A wrong code is on record already."""
    if refusal.code != INVALID_CODE:
        await record_refusal(sessions, user_id, action, refusal.code)
    return refusal
