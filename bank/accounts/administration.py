"""Changes of an account by staff or its owner in which no money moves: freeze, unfreeze, close, set limits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from bank.accounts.cached import AccountCache
from bank.accounts.limits import is_raised
from bank.accounts.reads import queries
from bank.encryption.cipher import PersonalTextCipher
from bank.events.event import DomainEvent
from bank.events.types.accounts import (
    AccountClosedEvent,
    AccountFrozenEvent,
    AccountLimitsChangedEvent,
    AccountUnfrozenEvent,
)
from bank.events.types.audit import ActionRefusedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.ledger.approval_policy import Approval
from bank.ledger.approvals import request_change
from bank.ledger.model import Account
from bank.ledger.policy import own_account
from bank.ledger.terms import Terms
from bank.refusal import Refusal
from bank.text import is_readable

# A reason is one line for an auditor; it has the same limit as a posting's description.
REASON_MAX = 140

Change = tuple[Account, DomainEvent]


@dataclass(frozen=True, slots=True)
class _Locked:
    """An account whose row is locked, and the role that froze it, if it is frozen and the role is known.

    `now` is the time of the change.
    """

    account: Account
    frozen_by_role: str | None
    now: datetime


class AccountAdministration:
    """The use cases that change an account. Each locks the row, so that a posting sees the account before or after."""

    def __init__(
        self, uow_factory: UnitOfWorkFactory, cache: AccountCache, cipher: PersonalTextCipher, terms: Terms
    ) -> None:
        self._uow_factory = uow_factory
        self._terms = terms
        self._cache = cache
        self._cipher = cipher

    async def freeze(
        self, account_id: UUID, *, owner_id: UUID | None, reason: str, by: UUID, role: str
    ) -> Account | Refusal:
        """Stop all postings on an account. An administrator takes over an account that an operator has frozen.

        The reason is encrypted for the owner of the account. Raises the errors of `DataKeys` and of
        `UnitOfWorkFactory.begin`.
        """
        encrypted = await self._cipher.encrypt(reason, owner_id) or ""

        def decide(locked: _Locked) -> Change | Refusal | None:
            account = locked.account
            if refusal := _check_status_change(account, reason, by):
                return refusal
            was_frozen = account.status == "FROZEN"
            if was_frozen and (role != "ADMIN" or locked.frozen_by_role == "ADMIN"):
                return None
            event = AccountFrozenEvent(
                account_id=account_id, reason=encrypted, initiated_by=by, by_role=role, was_frozen=was_frozen
            )
            return msgspec.structs.replace(account, status="FROZEN"), event

        return await self._change("freezeAccount", account_id, by, "accountNumber", decide)

    async def unfreeze(
        self, account_id: UUID, *, owner_id: UUID | None, reason: str, by: UUID, role: str
    ) -> Account | Refusal:
        """Allow postings on a frozen account again. An account that an administrator froze needs an administrator.

        Works as `freeze`.
        """
        encrypted = await self._cipher.encrypt(reason, owner_id) or ""

        def decide(locked: _Locked) -> Change | Refusal | None:
            account = locked.account
            if refusal := _check_status_change(account, reason, by):
                return refusal
            if account.status == "ACTIVE":
                return None
            if locked.frozen_by_role == "ADMIN" and role != "ADMIN":
                message = "An administrator froze the account; only an administrator unfreezes it."
                return Refusal(code="FROZEN_BY_ADMIN", message=message, field=("input", "accountNumber"))
            event = AccountUnfrozenEvent(account_id=account_id, reason=encrypted, initiated_by=by)
            return msgspec.structs.replace(account, status="ACTIVE"), event

        return await self._change("unfreezeAccount", account_id, by, "accountNumber", decide)

    async def close(self, account_id: UUID, *, owner_id: UUID | None, by: UUID) -> Account | Refusal:
        """Close an empty account for ever. `owner_id` is None for staff. Closing a closed one changes nothing."""

        def decide(locked: _Locked) -> Change | Refusal | None:
            account = locked.account
            if owner_id is not None and account.user_id != owner_id:
                return _not_found("accountId")
            if account.status == "CLOSED":
                return None
            if account.status == "FROZEN":
                message = "The account is frozen."
                return Refusal(code="ACCOUNT_FROZEN", message=message, field=("input", "accountId"))
            if account.balance_minor or account.held_minor:
                message = "Only an account without balance and holds can be closed."
                return Refusal(code="ACCOUNT_NOT_EMPTY", message=message, field=("input", "accountId"))
            closed = msgspec.structs.replace(account, status="CLOSED")
            return closed, AccountClosedEvent(account_id=account_id, initiated_by=by)

        return await self._change("closeAccount", account_id, by, "accountId", decide)

    async def set_limits(
        self, account_id: UUID, *, transfer_minor: int | UnsetType | None, daily_minor: int | UnsetType | None, by: UUID
    ) -> Account | Approval | Refusal:
        """Set the limits of an account, in minor units. None restores the bank's limit; UNSET changes nothing.

        A limit above the bank's that is raised waits for an approval. The change is the whole: both limits wait.
        """

        def decide(locked: _Locked) -> Change | Approval | Refusal | None:
            account = locked.account
            if account.user_id == by:
                return own_account("accountNumber")
            limited = msgspec.structs.replace(
                account,
                transfer_limit_minor=account.transfer_limit_minor if transfer_minor is UNSET else transfer_minor,
                daily_limit_minor=account.daily_limit_minor if daily_minor is UNSET else daily_minor,
            )
            if limited == account:
                return None
            if self._is_raised(account, limited):
                return self._approval(account, limited, by, locked.now)
            return limited, _limits_changed(account, limited, by)

        return await self._change_or_request("setAccountLimits", account_id, by, "accountNumber", decide)

    def _is_raised(self, old: Account, new: Account) -> bool:
        return is_raised(
            old.transfer_limit_minor, new.transfer_limit_minor, self._terms.transfer_limit_minor
        ) or is_raised(old.daily_limit_minor, new.daily_limit_minor, self._terms.daily_limit_minor)

    def _approval(self, old: Account, new: Account, by: UUID, now: datetime) -> Approval:
        return Approval(
            id=uuid7(),
            kind="ACCOUNT_LIMITS",
            account_id=old.id,
            transfer_limit_minor=new.transfer_limit_minor,
            daily_limit_minor=new.daily_limit_minor,
            old_transfer_limit_minor=old.transfer_limit_minor,
            old_daily_limit_minor=old.daily_limit_minor,
            requested_by=by,
            requested_at=now,
            expires_at=now + self._terms.approval_life,
        )

    async def _change(
        self,
        action: str,
        account_id: UUID,
        by: UUID,
        field: str,
        decide: Callable[[_Locked], Change | Refusal | None],
    ) -> Account | Refusal:
        result = await self._change_or_request(action, account_id, by, field, decide)
        assert not isinstance(result, Approval), "only limits need an approval"
        return result

    @retry_if_rolled_back
    async def _change_or_request(
        self,
        action: str,
        account_id: UUID,
        by: UUID,
        field: str,
        decide: Callable[[_Locked], Change | Approval | Refusal | None],
    ) -> Account | Approval | Refusal:
        async with self._uow_factory.begin() as uow:
            row = await queries.lock_account(uow.connection, id=account_id)
            decision: Change | Approval | Refusal | None = _not_found(field)
            if row:
                frozen_by_role = await queries.frozen_by_role(uow.connection, id=account_id)
                decision = decide(_Locked(Account(*row), frozen_by_role, uow.now))
            if isinstance(decision, Approval):
                decision = await request_change(uow, decision, field)
            if isinstance(decision, Approval):
                return decision
            if isinstance(decision, Refusal):
                uow.emit(
                    ActionRefusedEvent(
                        action=action,
                        code=decision.code,
                        entity_type="Account",
                        entity_id=account_id if row else None,
                        initiated_by=by,
                    )
                )
                return decision
            if decision is None:
                # This may be a retry after a write-through that failed, so the account is written to the cache again.
                account = Account(*row)
            else:
                account = await _write(uow, *decision)
        # Before the response, so that the next read shows the change (R11).
        await self._cache.write_through([account])
        return account


async def change_limits(uow: UnitOfWork, approval: Approval) -> Account | Refusal:
    """Make an approved change of limits in a unit of work; return the account, which has to be written to the cache.

    Refused if the limits are not those any more that the request was about.
    """
    row = await queries.lock_account(uow.connection, id=approval.account_id)
    account = Account(*row)
    if account.user_id == approval.requested_by:
        return own_account("accountNumber")
    old = approval.old_transfer_limit_minor, approval.old_daily_limit_minor
    if (account.transfer_limit_minor, account.daily_limit_minor) != old:
        return Refusal(code="LIMITS_CHANGED", message="The limits have changed since the request.")
    limited = msgspec.structs.replace(
        account,
        transfer_limit_minor=approval.transfer_limit_minor,
        daily_limit_minor=approval.daily_limit_minor,
    )
    return await _write(uow, limited, _limits_changed(account, limited, approval.requested_by))


async def _write(uow: UnitOfWork, changed: Account, event: DomainEvent) -> Account:
    frozen_by_role = event.by_role if isinstance(event, AccountFrozenEvent) else None
    if isinstance(event, AccountLimitsChangedEvent):
        frozen_by_role = await queries.frozen_by_role(uow.connection, id=changed.id)
    row = await queries.change_account(
        uow.connection,
        id=changed.id,
        status=changed.status,
        frozen_by_role=frozen_by_role,
        transfer_limit_minor=changed.transfer_limit_minor,
        daily_limit_minor=changed.daily_limit_minor,
        now=uow.now,
    )
    uow.emit(event)
    return Account(*row)


def _limits_changed(old: Account, new: Account, by: UUID) -> AccountLimitsChangedEvent:
    return AccountLimitsChangedEvent(
        account_id=old.id,
        transfer_limit_minor=new.transfer_limit_minor,
        daily_limit_minor=new.daily_limit_minor,
        old_transfer_limit_minor=old.transfer_limit_minor,
        old_daily_limit_minor=old.daily_limit_minor,
        initiated_by=by,
    )


def _check_status_change(account: Account, reason: str, by: UUID) -> Refusal | None:
    if not is_readable(reason, longest=REASON_MAX):
        message = f"A reason has 1 to {REASON_MAX} characters that can be read."
        return Refusal(code="INVALID_INPUT", message=message, field=("input", "reason"))
    if account.user_id == by:
        return own_account("accountNumber")
    if account.status == "CLOSED":
        return Refusal(code="ACCOUNT_CLOSED", message="The account is closed.", field=("input", "accountNumber"))
    return None


def _not_found(field: str) -> Refusal:
    return Refusal(code="ACCOUNT_NOT_FOUND", message="There is no such account.", field=("input", field))
