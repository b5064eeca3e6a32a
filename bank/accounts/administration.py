"""Changes of an account by staff or its owner in which no money moves: freeze, unfreeze, close, set limits."""

from collections.abc import Callable
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
from bank.refusal import Refusal
from bank.text import is_readable

# A reason is one line for an auditor; it has the same limit as a posting's description.
REASON_MAX = 140

Change = tuple[Account, DomainEvent]


class AccountAdministration:
    """The use cases that change an account. Each locks the row, so that a posting sees the account before or after."""

    def __init__(self, uow_factory: UnitOfWorkFactory, cache: AccountCache, cipher: PersonalTextCipher) -> None:
        self._uow_factory = uow_factory
        self._cache = cache
        self._cipher = cipher

    async def freeze(self, account_id: UUID, *, owner_id: UUID | None, reason: str, by: UUID) -> Account | Refusal:
        """Stop all postings on an account. Freezing a frozen one changes nothing.

        The reason is encrypted for the owner of the account. Raises the errors of `DataKeys` and of
        `UnitOfWorkFactory.begin`.
        """
        encrypted = await self._cipher.encrypt(reason, owner_id) or ""
        event = AccountFrozenEvent(account_id=account_id, reason=encrypted, initiated_by=by)
        return await self._set_status("freezeAccount", account_id, "FROZEN", reason, event)

    async def unfreeze(self, account_id: UUID, *, owner_id: UUID | None, reason: str, by: UUID) -> Account | Refusal:
        """Allow postings on a frozen account again. Unfreezing an active one changes nothing. Works as `freeze`."""
        encrypted = await self._cipher.encrypt(reason, owner_id) or ""
        event = AccountUnfrozenEvent(account_id=account_id, reason=encrypted, initiated_by=by)
        return await self._set_status("unfreezeAccount", account_id, "ACTIVE", reason, event)

    async def close(self, account_id: UUID, *, owner_id: UUID | None, by: UUID) -> Account | Refusal:
        """Close an empty account for ever. `owner_id` is None for staff. Closing a closed one changes nothing."""

        def decide(account: Account) -> Change | Refusal | None:
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

        def decide(account: Account) -> Change | Refusal | None:
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

    async def _set_status(
        self, action: str, account_id: UUID, status: str, reason: str, event: AccountFrozenEvent | AccountUnfrozenEvent
    ) -> Account | Refusal:
        def decide(account: Account) -> Change | Refusal | None:
            if not is_readable(reason, longest=REASON_MAX):
                message = f"A reason has 1 to {REASON_MAX} characters that can be read."
                return Refusal(code="INVALID_INPUT", message=message, field=("input", "reason"))
            if account.status == status:
                return None
            if account.status == "CLOSED":
                message = "The account is closed."
                return Refusal(code="ACCOUNT_CLOSED", message=message, field=("input", "accountNumber"))
            return msgspec.structs.replace(account, status=status), event

        return await self._change(action, account_id, event.initiated_by, "accountNumber", decide)

    @retry_if_rolled_back
    async def _change(
        self,
        action: str,
        account_id: UUID,
        by: UUID,
        field: str,
        decide: Callable[[Account], Change | Refusal | None],
    ) -> Account | Refusal:
        async with self._uow_factory.begin() as uow:
            row = await queries.lock_account(uow.connection, id=account_id)
            decision = decide(Account(*row)) if row else _not_found(field)
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
                account = Account(
                    *await queries.change_account(
                        uow.connection,
                        id=account_id,
                        status=changed.status,
                        transfer_limit_minor=changed.transfer_limit_minor,
                        daily_limit_minor=changed.daily_limit_minor,
                        now=uow.now,
                    )
                )
                uow.emit(event)
        # Before the response, so that the next read shows the change (R11).
        await self._cache.write_through([account])
        return account


def _not_found(field: str) -> Refusal:
    return Refusal(code="ACCOUNT_NOT_FOUND", message="There is no such account.", field=("input", field))
