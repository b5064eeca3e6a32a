"""The counting of failed logins in the database, so that it survives the loss of Redis (R10).

Every request with a password uses it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bank.encryption.cipher import PersonalTextCipher
from bank.events.types.sessions import ACCOUNT, DEVICE, SESSION, SOURCE, LoginFailedEvent, LoginLockedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory
from bank.identity.lockout import POLICIES, Bucket, Failures, Verdict, count_failure, decide_login, is_escalation
from bank.identity.register import queries
from bank.identity.tokens import keyed_digest
from bank.networks import is_within, network_of
from bank.settings import Settings
from bank.telemetry import metrics
from bank.telemetry.context import current_context

UNKNOWN_ADDRESS, WRONG_PASSWORD, WRONG_CODE, LOCKED = "unknown_address", "wrong_password", "wrong_code", "locked"
"""The reasons of failed logins in metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The account of an attempt: its user, or a digest of an address that is nobody's."""

    user_id: UUID | None
    address_digest: str | None


def subject_of(secret: str, user_id: UUID | None, address: str) -> Subject:
    """Return the account of an attempt. Without the bank's `secret`, an address cannot be found by its digest."""
    return Subject(user_id=user_id, address_digest=None if user_id else keyed_digest(secret, f"address {address}"))


def buckets_of(
    settings: Settings, cipher: PersonalTextCipher, *, email_digest: bytes, device_digest: bytes | None
) -> list[Bucket]:
    """Return the buckets of an attempt, in the order in which they are locked.

    An attempt from a known device counts for this device only: neither failures from elsewhere nor failures of others
    in its network delay its owner. A network without rate limits has no bucket either.
    """
    if device_digest is not None:
        return [Bucket(DEVICE, device_digest)]
    account = Bucket(ACCOUNT, email_digest)
    context = current_context()
    address = context.ip_address if context else None
    if address is None or is_within(address, settings.rate_limit_exempt):
        return [account]
    return [account, Bucket(SOURCE, cipher.lookup_digest("network", network_of(address)))]


def session_bucket(session_id: UUID) -> Bucket:
    """Return the bucket of the requests of one session that ask for the password again.

    A thief who has stolen a session is delayed, and the owner's other sessions and logins are not.
    """
    return Bucket(SESSION, hashlib.sha256(session_id.bytes).digest())


def code_bucket(session_id: UUID) -> Bucket:
    """Return the bucket of the requests of one session that ask for a code of the second factor.

    It is not that of the passwords, because the right password must not make a thief's guesses of codes free again.
    """
    return Bucket(SESSION, hashlib.sha256(b"code" + session_id.bytes).digest())


async def is_any_locked(connection: Any, buckets: Sequence[Bucket], now: datetime) -> bool:
    """Return whether one of the buckets has a delay now."""
    rows = queries.failures_of(connection, **_columns(buckets))
    return any([_failures(row).is_locked(now) async for row in rows])


async def lock_failures(uow: UnitOfWork, bucket: Bucket) -> Failures | None:
    """Lock a bucket until the commit, and return its failures; None if it has none."""
    row = await queries.lock_failures(uow.connection, kind=bucket.kind, digest=bucket.digest)
    return _failures(row) if row else None


async def record_failed_attempt(
    uow_factory: UnitOfWorkFactory, buckets: Sequence[Bucket], subject: Subject, *, was_locked: bool
) -> None:
    """Record an attempt that was refused, in a transaction of its own. `was_locked` says that it was during a delay."""
    verdict = decide_login(was_locked=was_locked, is_locked=False, matches=False)
    async with uow_factory.begin() as uow:
        await record_failure(uow, buckets, subject, counts=verdict is Verdict.WRONG)


async def record_failure(
    uow: UnitOfWork, buckets: Sequence[Bucket], subject: Subject, *, counts: bool, reason: str | None = None
) -> None:
    """Count a failed login in each bucket, and emit its event and those of the delays that it makes longer.

    The rows are locked, so that of many attempts at the same time each one counts. With `counts` false, the attempt was
    refused during a delay. Nothing is counted then, by the same statements, so that it takes the same time.
    """
    uow.emit(LoginFailedEvent(subject_id=subject.user_id, address_digest=subject.address_digest, locked=not counts))
    rows = queries.lock_buckets(uow.connection, **_columns(buckets), now=uow.now)
    found = {row["kind"]: _failures(row) async for row in rows}
    counted = {
        kind: count_failure(POLICIES[kind], failures, uow.now) if counts else failures
        for kind, failures in found.items()
    }
    await queries.write_failures(
        uow.connection,
        **_columns(buckets),
        failures=[counted[bucket.kind].count for bucket in buckets],
        counted_at=[counted[bucket.kind].counted_at for bucket in buckets],
        locked_until=[counted[bucket.kind].locked_until for bucket in buckets],
    )
    reason = reason or (WRONG_PASSWORD if subject.user_id else UNKNOWN_ADDRESS)
    metrics.FAILED_LOGINS.labels(reason if counts else LOCKED).inc()
    for kind, failures in counted.items():
        if is_escalation(POLICIES[kind], found[kind].count, failures.count):
            uow.emit(_locked(kind, failures, subject))
            metrics.LOGINS_LOCKED.labels(kind.lower()).inc()


async def forget_failures(connection: Any, bucket: Bucket) -> None:
    """Forget the failures of a bucket, after the right password."""
    await queries.delete_failures(connection, **_columns([bucket]))


async def forget_all_of(connection: Any, user_id: UUID) -> None:
    """Delete the devices of a user who is erased, and what was counted for the account and for each device."""
    email_digest = await queries.digest_of_user(connection, id=user_id)
    await queries.forget_failures_of(connection, email_digest=email_digest, user_id=user_id)
    await queries.forget_devices(connection, user_id=user_id)


def _locked(kind: str, failures: Failures, subject: Subject) -> LoginLockedEvent:
    assert failures.locked_until is not None, "a longer delay has an end"
    of_account = kind != SOURCE
    return LoginLockedEvent(
        bucket=kind,
        subject_id=subject.user_id if of_account else None,
        address_digest=subject.address_digest if of_account else None,
        failures=failures.count,
        locked_until=failures.locked_until,
    )


def _columns(buckets: Sequence[Bucket]) -> Mapping[str, Any]:
    return {"kinds": [bucket.kind for bucket in buckets], "digests": [bucket.digest for bucket in buckets]}


def _failures(row: Any) -> Failures:
    return Failures(count=row["failures"], counted_at=row["counted_at"], locked_until=row["locked_until"])
