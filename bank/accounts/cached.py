"""Accounts in the cache: their write-through (S2), and the tags of cached responses."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from bank.accounts.reads import queries
from bank.cache.values import CacheTag, ValueCache
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
from bank.events.types.privacy import UserErasedEvent
from bank.events.types.users import UserProfileChangedEvent, UserRoleChangedEvent
from bank.ledger.model import Account

logger = structlog.get_logger(__name__)

# The times to live of S2. Versions keep cached values valid; the times only bound memory and the effect of bugs.
BALANCE_TTL_S = 5 * 60
PROFILE_TTL_S = 60 * 60


def account_tag(account: Account) -> CacheTag:
    """Return the tag of responses that depend on this account. It contains the account itself."""
    return CacheTag(_key(account.id), account.revision, BALANCE_TTL_S, msgspec.json.encode(account))


def owner_tag(user_id: UUID, version: int) -> CacheTag:
    """Return the tag of responses that depend on a user's profile or list of accounts."""
    return CacheTag(f"user:{user_id}", version, PROFILE_TTL_S)


def _key(account_id: UUID) -> str:
    return f"account:{account_id}"


class AccountCache:
    """The cached accounts. Debits never read them: the ledger's batch locks the rows instead (R11)."""

    def __init__(self, values: ValueCache) -> None:
        self._values = values

    async def write_through(self, accounts: Sequence[Account]) -> None:
        """Cache the accounts that a batch has changed, after its commit and before its responses.

        If Redis is unavailable, `catch_up` does this as soon as Redis is available again. If a value cannot be encoded,
        which is a bug, the new versions alone are written, so that older cached values become invalid.
        """
        try:
            tags = [account_tag(account) for account in accounts]
        except Exception:
            logger.exception("write_through_failed")
            await self._values.invalidate(
                [CacheTag(_key(account.id), account.revision, BALANCE_TTL_S) for account in accounts]
            )
        else:
            await self._values.put(tags)

    async def find(self, account_id: UUID) -> Account | None:
        """Return the cached account, or None."""
        data = await self._values.data(_key(account_id))
        return msgspec.json.decode(data, type=Account) if data else None

    async def catch_up(self, connection: Any, events: Sequence[RecordedEvent]) -> None:
        """Invalidate the cached values that are older than these events.

        Usually the write-through has done this already; the handler covers a crash or an outage of Redis in between.
        Raises `RetryLater` while Redis is unavailable.
        """
        ids = {recorded.event.account_id for recorded in events if isinstance(recorded.event, AccountEvent | HoldEvent)}
        tags = [
            CacheTag(_key(row["id"]), row["revision"], BALANCE_TTL_S)
            async for row in queries.revisions(connection, ids=list(ids))
        ]
        owners = {recorded.event.owner_id for recorded in events if isinstance(recorded.event, AccountCreatedEvent)}
        owners |= {
            recorded.event.subject_id
            for recorded in events
            if isinstance(recorded.event, UserProfileChangedEvent | UserRoleChangedEvent | UserErasedEvent)
        }
        if owners:
            tags += [
                owner_tag(row["id"], row["version"])
                async for row in queries.owner_versions(connection, ids=list(owners))
            ]
        if not await self._values.put(tags):
            raise RetryLater("Redis is unavailable.")


# The events that `catch_up` handles: each changes an account's row, an owner's list of accounts, a profile, or a role.
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
    UserProfileChangedEvent,
    UserRoleChangedEvent,
    UserErasedEvent,
)
