"""Accounts in the cache: balances written through with versions (S2), and what cached answers hang on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from bank.accounts.reads import queries
from bank.cache.values import Tag, ValueCache
from bank.events.dispatch import RetryLater
from bank.events.event import RecordedEvent
from bank.events.types.accounts import (
    AccountClosedEvent,
    AccountCreatedEvent,
    AccountEvent,
    AccountFrozenEvent,
    AccountLimitsChangedEvent,
    AccountUnfrozenEvent,
    BalanceUpdatedEvent,
)
from bank.events.types.holds import (
    HoldAuthorizedEvent,
    HoldCapturedEvent,
    HoldEvent,
    HoldExpiredEvent,
    HoldReleasedEvent,
)
from bank.events.types.users import UserRoleChangedEvent
from bank.ledger.model import Account

logger = structlog.get_logger(__name__)

# The times to live of S2. Validity does not hang on them, versions see to that; they bound memory and forgotten bugs.
BALANCE_TTL_S = 5 * 60
PROFILE_TTL_S = 60 * 60


def account_tag(account: Account) -> Tag:
    """Return what an answer made from this account hangs on; its value is kept with it."""
    return Tag(_key(account.id), account.revision, BALANCE_TTL_S, msgspec.json.encode(account))


def owner_tag(user_id: UUID, version: int) -> Tag:
    """Return what an answer made from a user's profile or list of accounts hangs on."""
    return Tag(f"user:{user_id}", version, PROFILE_TTL_S)


def _key(account_id: UUID) -> str:
    return f"account:{account_id}"


class AccountCache:
    """The cached accounts. Debits never read it; the batch locks the rows."""

    def __init__(self, values: ValueCache) -> None:
        self._values = values

    async def write_through(self, accounts: Sequence[Account]) -> None:
        """Put the accounts that a batch has changed, after its commit and before its callers are answered.

        Where Redis is away, `catch_up` does it as soon as Redis is back. Where a value cannot be made, which is a bug,
        its version alone makes what is cached worthless.
        """
        try:
            tags = [account_tag(account) for account in accounts]
        except Exception:
            logger.exception("write_through_broken")
            await self._values.invalidate([Tag(_key(one.id), one.revision, BALANCE_TTL_S) for one in accounts])
        else:
            await self._values.put(tags)

    async def find(self, account_id: UUID) -> Account | None:
        """Return an account as it was last written through, or None."""
        data = await self._values.data(_key(account_id))
        return msgspec.json.decode(data, type=Account) if data else None

    async def catch_up(self, connection: Any, events: Sequence[RecordedEvent]) -> None:
        """Handle everything that changes an account, or an owner's list of them or their role.

        See to it that the cache believes nothing older than these events. The write-through has usually been here
        before; this covers a crash, or an absent Redis, in between.
        Raises `RetryLater` while Redis is away.
        """
        ids = {recorded.event.account_id for recorded in events if isinstance(recorded.event, AccountEvent | HoldEvent)}
        tags = [
            Tag(_key(row["id"]), row["revision"], BALANCE_TTL_S)
            async for row in queries.revisions(connection, ids=list(ids))
        ]
        owners = {recorded.event.owner_id for recorded in events if isinstance(recorded.event, AccountCreatedEvent)}
        owners |= {recorded.event.subject_id for recorded in events if isinstance(recorded.event, UserRoleChangedEvent)}
        if owners:
            tags += [
                owner_tag(row["id"], row["version"])
                async for row in queries.owner_versions(connection, ids=list(owners))
            ]
        if not await self._values.put(tags):
            raise RetryLater("Redis is away.")


# What a subscriber asks for, so that `catch_up` hears of every change of an account's row, and of each new one.
CHANGES = (
    AccountCreatedEvent,
    BalanceUpdatedEvent,
    AccountFrozenEvent,
    AccountUnfrozenEvent,
    AccountClosedEvent,
    AccountLimitsChangedEvent,
    HoldAuthorizedEvent,
    HoldCapturedEvent,
    HoldReleasedEvent,
    HoldExpiredEvent,
    UserRoleChangedEvent,
)
