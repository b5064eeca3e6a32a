"""The registry of event types by name, and the decoding of stored events.

The name and the fields of an event are a contract: the JSON Schema in `contracts/events/`, which is made from the class
(`bank.events.json_schema`).
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
from bank.events.types.approvals import (
    ApprovalApprovedEvent,
    ApprovalExpiredEvent,
    ApprovalRejectedEvent,
    ApprovalRequestedEvent,
)
from bank.events.types.audit import ActionRefusedEvent, StaffReadEvent
from bank.events.types.holds import HoldAuthorizedEvent, HoldCapturedEvent, HoldExpiredEvent, HoldReleasedEvent
from bank.events.types.idempotency import KeysForgottenEvent
from bank.events.types.notifications import NotificationTemplateChangedEvent
from bank.events.types.privacy import (
    IdentityDisclosedEvent,
    PersonalDataExportedEvent,
    RetentionAppliedEvent,
    UserErasedEvent,
)
from bank.events.types.second_factors import (
    SecondFactorChangedEvent,
    SecondFactorVerifiedEvent,
    StepUpLimitChangedEvent,
)
from bank.events.types.sessions import (
    LoginFailedEvent,
    LoginLockedEvent,
    LoginUnlockedEvent,
    RefreshTokenReusedEvent,
    SessionRefreshedEvent,
    SessionRefreshRepeatedEvent,
    SessionRevokedEvent,
    UserLoggedInEvent,
    UserLoggedOutEvent,
)
from bank.events.types.signing_keys import SigningKeyRotatedEvent
from bank.events.types.suspicious_activity import SuspiciousActivityDetectedEvent
from bank.events.types.transactions import TransactionCompletedEvent, TransactionInitiatedEvent
from bank.events.types.users import (
    PasswordChangedEvent,
    UserProfileChangedEvent,
    UserRegisteredEvent,
    UserRoleChangedEvent,
)
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
        ApprovalRequestedEvent,
        ApprovalApprovedEvent,
        ApprovalRejectedEvent,
        ApprovalExpiredEvent,
        ActionRefusedEvent,
        UserLoggedInEvent,
        LoginFailedEvent,
        LoginLockedEvent,
        LoginUnlockedEvent,
        UserLoggedOutEvent,
        SessionRefreshedEvent,
        SessionRefreshRepeatedEvent,
        SessionRevokedEvent,
        RefreshTokenReusedEvent,
        UserProfileChangedEvent,
        PasswordChangedEvent,
        UserRoleChangedEvent,
        StaffReadEvent,
        KeysForgottenEvent,
        SigningKeyRotatedEvent,
        NotificationTemplateChangedEvent,
        PersonalDataExportedEvent,
        RetentionAppliedEvent,
        UserErasedEvent,
        IdentityDisclosedEvent,
        SecondFactorChangedEvent,
        SecondFactorVerifiedEvent,
        StepUpLimitChangedEvent,
        SuspiciousActivityDetectedEvent,
    )
}


class UnknownEvent(Exception):
    """The log has an event of a type or version that only a newer version of the bank knows."""


def decode_event(event_type: str, version: int, data: str) -> DomainEvent:
    """Return a stored event, upcast to the newest version of its type.

    Raises `UnknownEvent` if a newer version of the bank has written it, and `msgspec.ValidationError` if `data` is
    invalid.
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
