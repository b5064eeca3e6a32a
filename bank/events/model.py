"""The banking domain events: frozen facts in the past tense (spec step 1).

An event's name and fields are a contract, described by a JSON Schema in `contracts/events/`. Events carry no e-mail
address, name or CPF: they are kept for ever, and a person may ask to be forgotten.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec


# gc=False: values of values form no cycles, and a million of them would only slow the collector down.
class DomainEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that is now true. Subclasses say what, about which aggregate, and by whom."""

    aggregate_type: ClassVar[str]
    event_version: ClassVar[int] = 1

    @property
    def aggregate_id(self) -> UUID:
        """The thing that the event is about."""
        raise NotImplementedError

    @property
    def user_id(self) -> UUID | None:
        """The person whose doing it was; None where it was nobody's."""
        return None


class UserRegisteredEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """There is a new user."""

    aggregate_type = "User"

    id: UUID
    role: str

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.id

    @property
    def user_id(self) -> UUID:
        """The new user, by their own doing."""
        return self.id


class AccountCreatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user has a new, empty account."""

    aggregate_type = "Account"

    account_id: UUID
    owner_id: UUID
    number: str
    currency: str

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.account_id

    @property
    def user_id(self) -> UUID:
        """The owner."""
        return self.owner_id


class TransactionInitiatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has accepted a transaction. Amounts are in minor units."""

    aggregate_type = "Transaction"

    transaction_id: UUID
    kind: str
    amount_minor: int
    currency: str
    debit_account_id: UUID
    credit_account_id: UUID
    initiated_by: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The transaction."""
        return self.transaction_id

    @property
    def user_id(self) -> UUID:
        """Whoever asked for the transaction."""
        return self.initiated_by


class TransactionCompletedEvent(TransactionInitiatedEvent, frozen=True, kw_only=True, gc=False):
    """The transaction's money has moved, for good."""


class BalanceUpdatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """An account's balance has changed by one entry. Amounts are in minor units; `version` counts the entries."""

    aggregate_type = "Account"

    account_id: UUID
    transaction_id: UUID
    version: int
    change_minor: int
    balance_minor: int
    currency: str
    initiated_by: UUID

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.account_id

    @property
    def user_id(self) -> UUID:
        """Whoever asked for the transaction."""
        return self.initiated_by


EVENT_TYPES: dict[str, type[DomainEvent]] = {
    event.__name__: event
    for event in (
        UserRegisteredEvent,
        AccountCreatedEvent,
        TransactionInitiatedEvent,
        TransactionCompletedEvent,
        BalanceUpdatedEvent,
    )
}


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an event came from: the request, its sender's address and program."""

    correlation_id: str | None = None
    actor_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None


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


def decode_event(event_type: str, data: str) -> DomainEvent:
    """Return the event stored under `event_type`. Raises `msgspec.ValidationError` where `data` does not fit it."""
    return msgspec.json.decode(data, type=EVENT_TYPES[event_type])
