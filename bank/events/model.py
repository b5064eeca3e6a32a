"""The banking domain events: frozen facts in the past tense (S1).

An event's name and fields are a contract, described by a JSON Schema in `contracts/events/`. Events carry no e-mail
address, name or CPF: they are kept for ever, and a person may ask to be forgotten.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from bank.events.event import DomainEvent
from bank.events.people import (
    LoginFailedEvent,
    RefreshTokenReusedEvent,
    SessionRefreshedEvent,
    UserLoggedInEvent,
    UserLoggedOutEvent,
    UserRegisteredEvent,
    UserRoleChangedEvent,
)
from bank.events.upcasters import UPCASTERS


class AccountEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Something about an account."""

    aggregate_type = "Account"

    account_id: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.account_id


class AccountCreatedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """A user has a new, empty account."""

    owner_id: UUID
    number: str
    currency: str

    @property
    def user_id(self) -> UUID:
        """The owner."""
        return self.owner_id


class TransactionInitiatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has accepted a transaction. Amounts are in minor units.

    `related_transaction_id` is the original of a reversal, the transfer of a fee; `hold_id` the hold of a capture.
    `description_digest` stands for the description, which people write: salted with what the row keeps.
    """

    aggregate_type = "Transaction"
    event_version = 2

    transaction_id: UUID
    kind: str
    amount_minor: int
    currency: str
    debit_account_id: UUID
    credit_account_id: UUID
    initiated_by: UUID
    related_transaction_id: UUID | None
    hold_id: UUID | None
    description_digest: str | None = None

    @property
    def aggregate_id(self) -> UUID:
        """The transaction."""
        return self.transaction_id


class TransactionCompletedEvent(TransactionInitiatedEvent, frozen=True, kw_only=True, gc=False):
    """The transaction's money has moved, for good."""


class BalanceUpdatedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """An account's balance has changed by one entry. Amounts are in minor units; `version` counts the entries."""

    transaction_id: UUID
    version: int
    change_minor: int
    balance_minor: int
    currency: str
    initiated_by: UUID


class AccountFrozenEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """No money leaves or enters the account until it is unfrozen. `reason` is staff's words."""

    reason: str
    initiated_by: UUID


class AccountUnfrozenEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """Money may move on the account again. `reason` is staff's words."""

    reason: str
    initiated_by: UUID


class AccountClosedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """The account is closed, for good."""

    initiated_by: UUID


class AccountLimitsChangedEvent(AccountEvent, frozen=True, kw_only=True, gc=False):
    """The account has other limits per transfer and per day, in minor units; None is no limit of its own."""

    transfer_limit_minor: int | None
    daily_limit_minor: int | None
    old_transfer_limit_minor: int | None
    old_daily_limit_minor: int | None
    initiated_by: UUID


class HoldEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Something about money that is set aside on an account. Amounts are in minor units."""

    aggregate_type = "Hold"

    hold_id: UUID
    account_id: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The hold."""
        return self.hold_id


class HoldAuthorizedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Money is set aside on an account, for another one to capture until it expires.

    `description_digest` stands for the description, which people write: salted with what the row keeps.
    """

    to_account_id: UUID
    amount_minor: int
    currency: str
    expires_at: datetime
    initiated_by: UUID
    description_digest: str | None = None


class HoldCapturedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold's money has moved, with a transaction, and what was not captured is available again."""

    transaction_id: UUID
    captured_minor: int
    released_minor: int
    currency: str
    initiated_by: UUID


class HoldReleasedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Somebody has given a hold up; its money is available again."""

    amount_minor: int
    currency: str
    initiated_by: UUID


class HoldExpiredEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold's time is over; its money is available again. Nobody's doing."""

    amount_minor: int
    currency: str


class ActionRefusedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has refused to do something. `action` is the mutation's name, `code` why.

    It is about the entity, where that is known, else about whoever asked; a stranger who asked for something that
    there is not has the nil UUID.
    """

    action: str
    code: str
    entity_type: str
    entity_id: UUID | None
    initiated_by: UUID | None

    @property
    def aggregate_type(self) -> str:
        """The entity's type, or `User` where the event is about whoever asked."""
        return "User" if self.entity_id is None and self.initiated_by is not None else self.entity_type

    @property
    def aggregate_id(self) -> UUID:
        """The entity, or whoever asked."""
        return self.entity_id or self.initiated_by or UUID(int=0)


class StaffReadEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """Staff has been shown what belongs to somebody else. `query` is the field asked for.

    It is about the entity, or, where more than one was shown, about whoever asked. `owner_id` is whose it is.
    """

    query: str
    entity_type: str
    entity_id: UUID | None
    owner_id: UUID | None
    initiated_by: UUID

    @property
    def aggregate_type(self) -> str:
        """The entity's type, or `User` where the event is about whoever asked."""
        return "User" if self.entity_id is None else self.entity_type

    @property
    def aggregate_id(self) -> UUID:
        """The entity, or whoever asked."""
        return self.entity_id or self.initiated_by


class KeysForgottenEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has begun to forget idempotency keys that were used before a moment.

    A key that is missing and was used later was taken out by somebody.
    """

    aggregate_type = "IdempotencyKeys"

    used_before: datetime

    @property
    def aggregate_id(self) -> UUID:
        """The nil UUID: it is about all of them."""
        return UUID(int=0)


EVENT_TYPES: dict[str, type[DomainEvent]] = {
    event.__name__: event
    for event in (
        UserRegisteredEvent,
        AccountCreatedEvent,
        TransactionInitiatedEvent,
        TransactionCompletedEvent,
        BalanceUpdatedEvent,
        AccountFrozenEvent,
        AccountUnfrozenEvent,
        AccountClosedEvent,
        AccountLimitsChangedEvent,
        HoldAuthorizedEvent,
        HoldCapturedEvent,
        HoldReleasedEvent,
        HoldExpiredEvent,
        ActionRefusedEvent,
        UserLoggedInEvent,
        LoginFailedEvent,
        UserLoggedOutEvent,
        SessionRefreshedEvent,
        RefreshTokenReusedEvent,
        UserRoleChangedEvent,
        StaffReadEvent,
        KeysForgottenEvent,
    )
}


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The origin of an event: the request, its client's address and program.

    `key_digest` stands for the row of the idempotency key that the request came with; the first event that followed has
    it.
    """

    correlation_id: str | None = None
    actor_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    key_digest: str | None = None


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its place in the log. Positions are dense and in commit order."""

    position: int
    event: DomainEvent
    metadata: EventMetadata
    created_at: datetime

    @property
    def event_type(self) -> str:
        """The event's name, as stored."""
        return type(self.event).__name__


class UnknownEvent(Exception):
    """The log holds an event of a type or version that this program does not know: a newer one has written it."""


def decode_event(event_type: str, version: int, data: str) -> DomainEvent:
    """Return the event stored under `event_type` in `version`, as the newest version tells it.

    Raises `UnknownEvent` where a newer program has written it, `msgspec.ValidationError` where `data` does not fit.
    """
    kind = EVENT_TYPES.get(event_type)
    if kind is None or version > kind.event_version:
        raise UnknownEvent(f"{event_type} version {version} is not known here; a newer bank has written it.")
    if version == kind.event_version:
        return msgspec.json.decode(data, type=kind)
    fields = msgspec.json.decode(data, type=dict)
    for older in range(version, kind.event_version):
        fields = UPCASTERS[event_type, older](fields)
    return msgspec.convert(fields, kind)
