"""The audit values of an event: the action, the old values, the new values."""

import json
from typing import Any

import pytest

from bank.audit.describe import DESCRIPTIONS, describe
from bank.events.types.registry import EVENT_TYPES
from tests.integration.events import one_of_each

EVENTS = {type(event).__name__: event for event in one_of_each()}


@pytest.mark.parametrize(
    ("event_type", "action", "old", "new"),
    [
        ("AccountFrozenEvent", "UPDATE", {"status": "ACTIVE"}, {"status": "FROZEN"}),
        ("AccountUnfrozenEvent", "UPDATE", {"status": "FROZEN"}, {"status": "ACTIVE"}),
        ("AccountClosedEvent", "UPDATE", {"status": "ACTIVE"}, {"status": "CLOSED"}),
        ("BalanceUpdatedEvent", "UPDATE", {"balance_minor": 1000, "version": 0}, {"balance_minor": 300, "version": 1}),
        (
            "AccountLimitsChangedEvent", "UPDATE",
            {"transfer_limit_minor": None, "daily_limit_minor": 100_000},
            {"transfer_limit_minor": 50_000, "daily_limit_minor": None},
        ),
        ("HoldAuthorizedEvent", "CREATE", None, {"amount_minor": 1_000}),
        ("HoldCapturedEvent", "UPDATE", {"status": "AUTHORIZED"}, {"status": "CAPTURED", "captured_minor": 700}),
        ("HoldReleasedEvent", "UPDATE", {"status": "AUTHORIZED"}, {"status": "RELEASED"}),
        ("HoldExpiredEvent", "UPDATE", {"status": "AUTHORIZED"}, {"status": "EXPIRED"}),
        ("ApprovalRequestedEvent", "CREATE", None, {"amount_minor": 6_000_000}),
        ("ApprovalApprovedEvent", "UPDATE", {"status": "PENDING"}, {"status": "APPROVED", "refusal_code": None}),
        ("ApprovalRejectedEvent", "UPDATE", {"status": "PENDING"}, {"status": "REJECTED", "reason": "enc1.1.AAAA"}),
        ("ApprovalExpiredEvent", "UPDATE", {"status": "PENDING"}, {"status": "EXPIRED"}),
        ("TransactionCompletedEvent", "COMPLETE", None, {"amount_minor": 700}),
        ("UserLoggedInEvent", "LOGIN", None, {}),
        ("LoginFailedEvent", "LOGIN_FAILED", None, {"subject_id": None}),
        ("UserLoggedOutEvent", "LOGOUT", None, {}),
        ("SessionRefreshedEvent", "REFRESH", None, {}),
        ("SessionRefreshRepeatedEvent", "REFRESH", None, {}),
        ("SessionRevokedEvent", "CLOSE_SESSION", None, {"reason": "SESSION_LIMIT"}),
        ("RefreshTokenReusedEvent", "CLOSE_SESSION", None, {}),
        ("UserProfileChangedEvent", "UPDATE", None, {"change": "PASSWORD"}),
        ("PasswordChangedEvent", "UPDATE", None, {"ended_sessions": 2}),
        ("SecondFactorChangedEvent", "UPDATE", None, {"change": "CONFIRMED"}),
        ("SecondFactorVerifiedEvent", "VERIFY", None, {"method": "TOTP"}),
        ("SuspiciousActivityDetectedEvent", "DETECT", None, {"rule": "cash_out", "positions": [7, 9]}),
        ("StepUpLimitChangedEvent", "UPDATE", {"step_up_above_minor": None}, {"step_up_above_minor": 100}),
        ("UserRoleChangedEvent", "UPDATE", {"role": "CUSTOMER"}, {"role": "OPERATOR"}),
        ("PersonalDataExportedEvent", "EXPORT", None, {"rows": 40}),
        ("RetentionAppliedEvent", "DELETE", None, {"rule": "sessions", "rows": 7}),
        ("UserErasedEvent", "ERASE", None, {"reapplied": False}),
        ("IdentityDisclosedEvent", "READ", None, {"reason": "enc1.1.AAAA"}),
        ("KeysForgottenEvent", "DELETE", None, {"used_before": "2031-02-03T04:05:06.789000Z"}),
        ("SigningKeyRotatedEvent", "CREATE", None, {"wrapped_digest": "0f" * 32}),
        ("NotificationTemplateChangedEvent", "UPDATE", None, {"version": 2, "copied_version": 0}),
        ("StaffReadEvent", "READ", None, {"query": "account"}),
        ("ActionRefusedEvent", "REFUSE", None, {"action": "transfer", "code": "INSUFFICIENT_FUNDS"}),
    ],
)  # fmt: skip
def test_the_audit_values_are_the_old_and_the_new_ones(
    event_type: str, action: str, old: dict[str, Any] | None, new: dict[str, Any]
) -> None:
    said, was, now = describe(EVENTS[event_type])
    assert (said, was and json.loads(was)) == (action, old)
    assert new.items() <= json.loads(now).items()


def test_every_event_type_has_audit_values() -> None:
    assert set(DESCRIPTIONS) == set(EVENT_TYPES.values())
