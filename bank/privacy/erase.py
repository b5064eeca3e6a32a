"""Erasure of a person (LGPD, Lei 13.709/2018, art. 18, VI): closed accounts and sessions, no key, no profile.

What the law keeps (art. 16, I) stays without anything that can be read about the person: transactions, entries, holds,
events and audit rows. Their texts were encrypted with the key that is destroyed here. The identity is kept apart, under
a key of its own (`bank.privacy.identities`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bank.accounts.reads import queries as account_queries
from bank.cache.membership import end_epoch
from bank.cache.trust import TRUST_S
from bank.encryption.keys import CHANNEL as KEYS_CHANNEL
from bank.events.leases import CHANNEL
from bank.events.types.accounts import AccountClosedEvent
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.privacy import UserErasedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.failed_logins import forget_all_of
from bank.identity.register import queries as identity_queries
from bank.money import format_amount
from bank.privacy.erasures import Erasure, ErasureRegister
from bank.privacy.fresh_login import queries
from bank.privacy.identities import retain_identity
from bank.refusal import Refusal
from bank.security.evidence import forget_observations_of

ACTION = "eraseMyData"


class OwnAccount(NamedTuple):
    """An account of the person."""

    id: UUID
    number: str
    currency: str
    status: str
    balance_minor: int
    held_minor: int
    transfer_limit_minor: int | None
    daily_limit_minor: int | None


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """The effect of an erasure. `left_open` are accounts that an erasure after a restore could not close."""

    person_id: UUID
    erased_at: datetime
    closed_accounts: tuple[str, ...]
    left_open: tuple[str, ...]
    session_ids: tuple[UUID, ...]


def decide(
    role: str, erased_at: datetime | None, accounts: Sequence[OwnAccount], held_for: Mapping[UUID, int]
) -> Refusal | None:
    """Return the reason why a person cannot be erased, or None. `held_for` has the active holds for each account."""
    if erased_at is not None:
        return Refusal(code="INVALID_INPUT", message="This user is erased already.")
    if role != "CUSTOMER":
        return Refusal(code="STAFF_NOT_ERASED", message="Staff are erased after their role was changed to customer.")
    for account in accounts:
        if account.balance_minor:
            return _left(account, "has a balance of", account.balance_minor)
        if held := account.held_minor or held_for.get(account.id, 0):
            return _left(account, "has active holds of", held)
        if account.status == "FROZEN":
            return Refusal(code="ACCOUNT_FROZEN", message=f"Account {account.number} is frozen.")
    return None


def _left(account: OwnAccount, what: str, amount_minor: int) -> Refusal:
    amount = f"{format_amount(amount_minor, account.currency)} {account.currency}"
    return Refusal(code="ACCOUNT_NOT_EMPTY", message=f"Account {account.number} {what} {amount}.")


async def erase_person(
    uow_factory: UnitOfWorkFactory,
    register: ErasureRegister,
    *,
    person_id: UUID,
    by: UUID | None,
    dry_run: bool = False,
) -> ErasureResult | Refusal:
    """Erase a person, or refuse while money, holds or a frozen account are left. A refusal is on record.

    At the return, the erasure is in the register outside of the database, and no worker shows a cached text of the
    person any more. Raises the errors of `UnitOfWorkFactory.begin` and of `ErasureRegister.append`.
    """
    if not dry_run:
        # An erasure that cannot be registered is not made, because a restored backup would undo it.
        await register.append([])
    result = await _erase(uow_factory, person_id=person_id, by=by, dry_run=dry_run, reapplied=False)
    if isinstance(result, ErasureResult) and not dry_run:
        await register.append([Erasure(person_id=person_id, erased_at=result.erased_at)])
        # After this time, every worker has noticed that the epoch of the cache has ended, or does not trust Redis.
        await asyncio.sleep(TRUST_S)
    return result


async def reapply(uow_factory: UnitOfWorkFactory, erasures: Sequence[Erasure]) -> list[ErasureResult]:
    """Erase everybody in a register again whom a restored backup has brought back.

    An account with money, which left the bank after the backup was made, stays open for staff. Unknown users are left
    out: the backup is older than they are.
    """
    if not erasures:
        return []
    async with uow_factory.begin() as uow:
        ids = [erasure.person_id for erasure in erasures]
        rows = [row async for row in queries.erased_among(uow.connection, ids=ids)]
    results = []
    for person_id in sorted(row["id"] for row in rows if row["erased_at"] is None):
        result = await _erase(uow_factory, person_id=person_id, by=None, dry_run=False, reapplied=True)
        assert isinstance(result, ErasureResult), "a repeated erasure is not refused"
        results.append(result)
    if results:
        await asyncio.sleep(TRUST_S)
    return results


@retry_if_rolled_back
async def _erase(
    uow_factory: UnitOfWorkFactory, *, person_id: UUID, by: UUID | None, dry_run: bool, reapplied: bool
) -> ErasureResult | Refusal:
    async with uow_factory.begin() as uow:
        person = await queries.lock_person(uow.connection, id=person_id)
        if person is None:
            return Refusal(code="INVALID_INPUT", message="There is no such user.")
        accounts = [OwnAccount(*row) async for row in queries.lock_accounts_of(uow.connection, user_id=person_id)]
        rows = queries.active_holds(uow.connection, account_ids=[account.id for account in accounts])
        held_for = {row["to_account_id"]: row["amount_minor"] async for row in rows}
        refusal = decide(person["role"], person["erased_at"], accounts, held_for)
        if refusal is not None and not reapplied:
            uow.emit(_refused(person_id, refusal.code, by))
            return refusal
        can_close = [a for a in accounts if a.status == "ACTIVE" and decide("CUSTOMER", None, [a], held_for) is None]
        closed = tuple(account.number for account in can_close)
        open_ = tuple(a.number for a in accounts if a.status != "CLOSED" and a not in can_close)
        if dry_run:
            return ErasureResult(person_id, uow.now, closed, open_, ())
        for account in can_close:
            await _close(uow, account, person_id)
        identity = await retain_identity(uow.connection, uow_factory.cipher, person, uow.now)
        sessions, key_number = await _forget(uow, person_id)
        uow.emit(
            UserErasedEvent(
                subject_id=person_id,
                reapplied=reapplied,
                identity_digest=identity.digest if identity else None,
                keep_until=identity.keep_until if identity else None,
                initiated_by=by,
            ),
            # With the key of the day: the origin of the erasure itself is an access record, kept for six months.
            await uow_factory.origins.metadata(key=await uow_factory.cipher.keys.of_today(uow.connection)),
        )
    # At its start, a worker does not listen to notifications yet.
    uow_factory.cipher.keys.forget(key_number)
    return ErasureResult(person_id, uow.now, closed, open_, sessions)


async def _close(uow: UnitOfWork, account: OwnAccount, person_id: UUID) -> None:
    await account_queries.change_account(
        uow.connection,
        id=account.id,
        status="CLOSED",
        frozen_by_role=None,
        transfer_limit_minor=account.transfer_limit_minor,
        daily_limit_minor=account.daily_limit_minor,
        now=uow.now,
    )
    uow.emit(AccountClosedEvent(account_id=account.id, initiated_by=person_id))


async def _forget(uow: UnitOfWork, person_id: UUID) -> tuple[tuple[UUID, ...], int]:
    """Close the sessions, destroy the key and delete the profile; return the sessions and the number of the key."""
    rows = identity_queries.close_sessions_of(uow.connection, user_id=person_id, now=uow.now)
    sessions = tuple([row["id"] async for row in rows])
    notify_closed_sessions(uow, sessions)
    await identity_queries.delete_second_factor(uow.connection, user_id=person_id)
    await forget_all_of(uow.connection, person_id)
    await forget_observations_of(uow.connection, person_id)
    await queries.anonymise(uow.connection, id=person_id, now=uow.now)
    number: int = await queries.destroy_person_key(uow.connection, person_id=person_id, now=uow.now)
    # Responses to other customers may have descriptions of this person.
    await end_epoch(uow.connection)

    async def notify(connection: Any) -> None:
        await connection.execute("select pg_notify($1, $2)", KEYS_CHANNEL, str(number))
        # A command delivers no events itself, so it wakes up the workers that do.
        await connection.execute(f"notify {CHANNEL}")

    uow.before_commit(notify)
    return sessions, number


def _refused(person_id: UUID, code: str, by: UUID | None) -> ActionRefusedEvent:
    return ActionRefusedEvent(action=ACTION, code=code, entity_type="User", entity_id=person_id, initiated_by=by)
