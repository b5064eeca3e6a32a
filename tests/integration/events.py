"""One event of every type, with the values that the bank would write."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

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
from bank.identifiers import uuid7

_CURRENCY = "BRL"


def one_of_each() -> list[DomainEvent]:
    """Return an event of every type, all about one user, one account, one transaction and one hold."""
    user, account, other, transaction, hold = uuid7(), uuid7(), uuid7(), uuid7(), uuid7()
    moved: dict[str, Any] = {
        "transaction_id": transaction, "kind": "CAPTURE", "amount_minor": 700, "currency": _CURRENCY,
        "debit_account_id": account, "credit_account_id": other, "initiated_by": user,
        "related_transaction_id": uuid7(), "hold_id": hold,
    }  # fmt: skip
    asked: dict[str, Any] = {
        "approval_id": hold, "kind": "WITHDRAWAL", "account_id": account, "subject_id": None
    }  # fmt: skip
    held: dict[str, Any] = {"hold_id": hold, "account_id": account, "currency": _CURRENCY}
    return [
        UserRegisteredEvent(id=user, role="CUSTOMER"),
        AccountCreatedEvent(account_id=account, owner_id=user, number="0001/00000001-9", currency=_CURRENCY),
        TransactionInitiatedEvent(**moved),
        balance_updated(account_id=account, version=1, change_minor=-700, balance_minor=300, initiated_by=user),
        TransactionCompletedEvent(**moved),
        AccountFrozenEvent(account_id=account, reason="Asked for by the court.", initiated_by=user),
        AccountUnfrozenEvent(account_id=account, reason="The court is content.", initiated_by=user),
        AccountLimitsChangedEvent(
            account_id=account, transfer_limit_minor=50_000, daily_limit_minor=None,
            old_transfer_limit_minor=None, old_daily_limit_minor=100_000, initiated_by=user,
        ),
        HoldAuthorizedEvent(
            **held, to_account_id=other, amount_minor=1_000, initiated_by=user,
            expires_at=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
        ),
        HoldCapturedEvent(
            **held, transaction_id=transaction, captured_minor=700, released_minor=300, initiated_by=user
        ),
        HoldReleasedEvent(**held, amount_minor=1_000, initiated_by=user),
        HoldExpiredEvent(**held, amount_minor=1_000),
        ApprovalRequestedEvent(
            **asked, expires_at=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC), initiated_by=user,
            amount_minor=6_000_000, currency=_CURRENCY, description="enc1.1.AAAA",
        ),
        ApprovalApprovedEvent(**asked, requested_by=other, initiated_by=user, transaction_id=transaction),
        ApprovalRejectedEvent(**asked, requested_by=other, initiated_by=user, reason="enc1.1.AAAA"),
        ApprovalExpiredEvent(**asked, requested_by=other),
        ActionRefusedEvent(
            action="transfer", code="INSUFFICIENT_FUNDS", entity_type="Account", entity_id=account, initiated_by=user
        ),
        UserLoggedInEvent(session_id=hold, initiated_by=user),
        SessionRefreshedEvent(session_id=hold, initiated_by=user),
        SessionRefreshRepeatedEvent(session_id=hold, initiated_by=user),
        SessionRevokedEvent(session_id=hold, initiated_by=user, reason="SESSION_LIMIT"),
        RefreshTokenReusedEvent(session_id=hold, owner_id=user),
        UserLoggedOutEvent(session_id=hold, initiated_by=user),
        LoginFailedEvent(subject_id=None, address_digest="0123456789abcdef" * 2),
        LoginLockedEvent(
            bucket="ACCOUNT", subject_id=user, address_digest=None, failures=6,
            locked_until=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
        ),
        LoginUnlockedEvent(subject_id=user, address_digest=None, initiated_by=uuid7()),
        UserProfileChangedEvent(subject_id=user, change="PASSWORD", profile_digest="01" * 32, initiated_by=user),
        SecondFactorChangedEvent(subject_id=user, change="CONFIRMED", state_digest="02" * 32, initiated_by=user),
        SecondFactorVerifiedEvent(session_id=hold, initiated_by=user, method="TOTP", state_digest="03" * 32),
        StepUpLimitChangedEvent(subject_id=user, old_above_minor=None, above_minor=100, initiated_by=user),
        PasswordChangedEvent(subject_id=user, ended_sessions=2, initiated_by=user),
        UserRoleChangedEvent(subject_id=user, old_role="CUSTOMER", new_role="OPERATOR"),
        StaffReadEvent(
            query="account", entity_type="Account", entity_id=account, owner_id=user, initiated_by=uuid7()
        ),
        AccountClosedEvent(account_id=account, initiated_by=user),
        KeysForgottenEvent(used_before=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)),
        SigningKeyRotatedEvent(
            key_id=hold, signs_from=datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC),
            older_until=datetime(2031, 2, 3, 5, 5, 6, 789_000, tzinfo=UTC), wrapped_digest="0f" * 32,
        ),
        NotificationTemplateChangedEvent(
            template_id=hold, name="welcome", language="en", version=2, content_digest="04" * 32, copied_version=0
        ),
        PersonalDataExportedEvent(subject_id=user, rows=40, initiated_by=user),
        RetentionAppliedEvent(rule="sessions", before=datetime(2031, 2, 3, tzinfo=UTC), rows=7),
        UserErasedEvent(
            subject_id=user, reapplied=False, identity_digest="0" * 64, keep_until=date(2042, 1, 1), initiated_by=user
        ),
        IdentityDisclosedEvent(subject_id=user, reason="enc1.1.AAAA", initiated_by=None),
        SuspiciousActivityDetectedEvent(
            rule="cash_out", subject_type="User", subject_id=user, person_id=user, count=1, amount_minor=500_000,
            currency=_CURRENCY, period_begins_at=datetime(2031, 2, 3, tzinfo=UTC), positions=(7, 9),
            transaction_ids=(transaction,),
        ),
    ]  # fmt: skip


def balance_updated(
    *, account_id: UUID, version: int, change_minor: int, balance_minor: int, initiated_by: UUID
) -> BalanceUpdatedEvent:
    return BalanceUpdatedEvent(
        account_id=account_id, transaction_id=uuid7(), version=version, change_minor=change_minor,
        balance_minor=balance_minor, currency=_CURRENCY, initiated_by=initiated_by,
    )  # fmt: skip
