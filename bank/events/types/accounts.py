"""Events about accounts: their status, limits and balances."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import CURRENCY, described


class AccountEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The base class of events about an account."""

    aggregate_type = "Account"

    account_id: Annotated[UUID, described("The account.")]

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.account_id


class AccountCreatedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """A user has a new, empty account."""

    owner_id: Annotated[UUID, described("The user it belongs to.")]
    number: Annotated[str, described("Branch, number and check digit.", pattern=r"^[0-9]{4}/[0-9]{8}-[0-9X]$")]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]

    @property
    def user_id(self) -> UUID:
        """The owner."""
        return self.owner_id


class BalanceUpdatedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """An account's balance has changed by one entry. Amounts are in minor units; `version` counts the entries."""

    transaction_id: Annotated[UUID, described("The transaction whose entry it was.")]
    version: Annotated[int, described("How many entries the account has, this one included.", minimum=1)]
    change_minor: Annotated[int, described("What the entry added, in minor units; negative where it took away.")]
    balance_minor: Annotated[
        int, described("The balance after the entry, in minor units; negative only for the bank's own accounts.")
    ]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
    initiated_by: Annotated[UUID, described("The user who asked for the transaction.")]


class AccountFrozenEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """No money leaves or enters the account until it is unfrozen. `reason` is staff's words.

    An administrator may freeze an account that an operator has frozen: then only an administrator may unfreeze it.
    """

    reason: Annotated[str, described("Why, in the words of staff.")]
    initiated_by: Annotated[UUID, described("The member of staff who did it.")]
    by_role: Annotated[
        str | None,
        described("The role of the member of staff; null in events of older versions.", pattern="^[A-Z]+$"),
    ] = None
    was_frozen: Annotated[bool, described("Whether an operator had frozen the account before.")] = False


class AccountUnfrozenEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """Money may move on the account again. `reason` is staff's words."""

    reason: Annotated[str, described("Why, in the words of staff.")]
    initiated_by: Annotated[UUID, described("The member of staff who did it.")]


class AccountClosedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """The account is closed, for good."""

    initiated_by: Annotated[UUID, described("The user who closed it.")]


class AccountLimitsChangedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """The account has other limits per transfer and per day. They are in minor units; None is no limit of its own."""

    transfer_limit_minor: Annotated[
        int | None, described("What one transfer may move, in minor units; null for no limit of its own.", minimum=0)
    ]
    daily_limit_minor: Annotated[
        int | None,
        described("What a day's transfers may move, in minor units; null for no limit of its own.", minimum=0),
    ]
    old_transfer_limit_minor: Annotated[int | None, described("The limit per transfer before.", minimum=0)]
    old_daily_limit_minor: Annotated[int | None, described("The limit per day before.", minimum=0)]
    initiated_by: Annotated[UUID, described("The user who changed them.")]
