"""Accounts in the cache: balances written through with versions (spec step 2), and what cached answers hang on."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from bank.cache.values import Tag, ValueCache
from bank.events.delivery import NotNow
from bank.events.model import BalanceUpdatedEvent, RecordedEvent
from bank.ledger.model import Account

# The spec's times to live. Validity does not hang on them, versions see to that; they bound memory and forgotten bugs.
BALANCE_TTL_S = 5 * 60
PROFILE_TTL_S = 60 * 60


def account_tag(account: Account) -> Tag:
    """Return what an answer made from this account hangs on; its value is kept with it."""
    return Tag(_key(account.id), account.version, BALANCE_TTL_S, msgspec.json.encode(account))


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

        Where Redis is away, `catch_up` does it as soon as Redis is back.
        """
        await self._values.put([account_tag(account) for account in accounts])

    async def find(self, account_id: UUID) -> Account | None:
        """Return an account as it was last written through, or None."""
        data = await self._values.data(_key(account_id))
        return msgspec.json.decode(data, type=Account) if data else None

    async def catch_up(self, _connection: object, events: Sequence[RecordedEvent]) -> None:
        """Handle BalanceUpdated: see to it that the cache believes nothing older than these events.

        The write-through has usually been here before; this covers a crash, or an absent Redis, in between.
        Raises `NotNow` while Redis is away.
        """
        newest: dict[UUID, int] = {}
        for recorded in events:
            assert isinstance(recorded.event, BalanceUpdatedEvent)
            newest[recorded.event.account_id] = recorded.event.version
        if not await self._values.put([Tag(_key(id_), version, BALANCE_TTL_S) for id_, version in newest.items()]):
            raise NotNow("Redis is away.")
