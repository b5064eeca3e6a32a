"""Every type of event by its name, and the decoding of stored ones.

An event's name and fields are a contract, described by a JSON Schema in `contracts/events/`, which is made
from the class (`bank.events.json_schema`).
"""

import msgspec

from bank.events.event import DomainEvent
from bank.events.types.accounts import (
    AccountClosedEvent,
    AccountCreatedEvent,
    AccountFrozenEvent,
    AccountLimitsChangedEvent,
    AccountUnfrozenEvent,
    BalanceUpdatedEvent,
)
from bank.events.types.audit import ActionRefusedEvent, StaffReadEvent
from bank.events.types.holds import HoldAuthorizedEvent, HoldCapturedEvent, HoldExpiredEvent, HoldReleasedEvent
from bank.events.types.idempotency import KeysForgottenEvent
from bank.events.types.sessions import (
    LoginFailedEvent,
    RefreshTokenReusedEvent,
    SessionRefreshedEvent,
    UserLoggedInEvent,
    UserLoggedOutEvent,
)
from bank.events.types.transactions import TransactionCompletedEvent, TransactionInitiatedEvent
from bank.events.types.users import UserRegisteredEvent, UserRoleChangedEvent
from bank.events.upcasters import UPCASTERS

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
