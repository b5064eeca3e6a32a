"""Changes of an account by staff or its owner in which no money moves: freeze, unfreeze, close, set limits."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from bank.accounts.cached import AccountCache
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
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.ledger.model import Account
from bank.ledger.policy import own_account
from bank.refusal import Refusal
from bank.text import is_readable

# A reason is one line for an auditor; it has the same limit as a posting's description.
REASON_MAX = 140

Change = tuple[Account, DomainEvent]


@dataclass(frozen=True, slots=True)
class _Locked:
    """An account whose row is locked, and the role that froze it, if it is frozen and the role is known."""

    account: Account
    frozen_by_role: str | None


class AccountAdministration:
    """The use cases that change an account. Each locks the row, so that a posting sees the account before or after."""

    def __init__(self, uow_factory: UnitOfWorkFactory, cache: AccountCache, cipher: PersonalTextCipher) -> None:
        self._uow_factory = uow_factory
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
    ) -> Account | Refusal:
        """Set the limits of an account, in minor units. None restores the bank's limit; UNSET changes nothing."""

        def decide(locked: _Locked) -> Change | Refusal | None:
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
            return limited, AccountLimitsChangedEvent(
                account_id=account_id,
                transfer_limit_minor=limited.transfer_limit_minor,
                daily_limit_minor=limited.daily_limit_minor,
                old_transfer_limit_minor=account.transfer_limit_minor,
                old_daily_limit_minor=account.daily_limit_minor,
                initiated_by=by,
            )

        return await self._change("setAccountLimits", account_id, by, "accountNumber", decide)

    @retry_if_rolled_back
    async def _change(
        self,
        action: str,
        account_id: UUID,
        by: UUID,
        field: str,
        decide: Callable[[_Locked], Change | Refusal | None],
    ) -> Account | Refusal:
        async with self._uow_factory.begin() as uow:
            row = await queries.lock_account(uow.connection, id=account_id)
            decision: Change | Refusal | None = _not_found(field)
            if row:
                decision = decide(_Locked(Account(*row), await queries.frozen_by_role(uow.connection, id=account_id)))
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
                changed, event = decision
                frozen_by_role = event.by_role if isinstance(event, AccountFrozenEvent) else None
                if isinstance(event, AccountLimitsChangedEvent):
                    frozen_by_role = await queries.frozen_by_role(uow.connection, id=account_id)
                account = Account(
                    *await queries.change_account(
                        uow.connection,
                        id=account_id,
                        status=changed.status,
                        frozen_by_role=frozen_by_role,
                        transfer_limit_minor=changed.transfer_limit_minor,
                        daily_limit_minor=changed.daily_limit_minor,
                        now=uow.now,
                    )
                )
                uow.emit(event)
        # Before the response, so that the next read shows the change (R11).
        await self._cache.write_through([account])
        return account


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
