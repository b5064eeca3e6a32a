"""The classification of every column, event field, log key and metric label, in one place.

Tests fail for a name that is missing here, and for a name that no longer exists. Export and erasure follow this list.
"""

from collections.abc import Mapping
from enum import Enum


class DataClass(Enum):
    """The class of a value: its relation to persons, and its protection."""

    NOT_PERSONAL = "It says nothing about a person."
    PSEUDONYMOUS = "An id, amount, time or state that belongs to a person only through the id of a user."
    ENCRYPTED = "Personal data, encrypted under the key of the person or of the day."
    ENCRYPTED_INSIDE = "A JSON document whose personal texts are encrypted."
    DIGEST = "A keyed or salted digest of personal data."
    SECRET_DIGEST = "A hash of a secret."  # noqa: S105 - the name of a class
    ENCRYPTED_SECRET = "A secret of a person, encrypted under their key. It is never shown again."  # noqa: S105 - the name of a class
    WRAPPED_KEY = "A data key, wrapped by the master key."
    DELETABLE = "Personal data, readable, in rows that are changed or deleted."
    MASKED = "A text that may quote personal data; the patterns of `bank.telemetry.masking` are applied to it."


N, P, E, I, D, S, X, W, DEL, M = DataClass  # noqa: E741 - one letter each keeps the lists below short

Names = Mapping[DataClass, str]
"""The names of one table, or of one event type, by their class: a text with spaces between the names."""

# The columns of each table.
_COLUMNS: Mapping[str, Names] = {
    "account_days": {
        P: "account_id day debits debited_minor credits credited_minor closing_balance_minor applied",
        N: "currency",
    },
    "accounts": {
        P: "id user_id number status frozen_by_role balance_minor version held_minor revision spent_minor spent_on "
        "transfer_limit_minor daily_limit_minor created_at updated_at",
        N: "kind currency",
    },
    "alembic_version": {N: "version_num"},
    "approvals": {
        P: "id kind account_id subject_id original_id amount_minor transfer_limit_minor daily_limit_minor "
        "old_transfer_limit_minor old_daily_limit_minor role old_role requested_by requested_at expires_at status "
        "decided_by decided_at transaction_id refusal_code refusal_message",
        E: "description reason",
        N: "currency",
    },
    "audit_logs": {
        P: "id event_position user_id entity_type entity_id action created_at",
        I: "old_values new_values",
        E: "ip_address user_agent",
        N: "number hash",
    },
    "cache_epoch": {N: "only_row number name is_open"},
    "cache_members": {N: "worker beats renewed_at"},
    "dead_letters": {N: "subscriber event_position attempts created_at redelivered_at", E: "error"},
    "encryption_keys": {P: "number person_id created_at destroyed_at", N: "day", W: "wrapped"},
    "entries": {
        P: "account_id version transaction_id amount_minor balance_after_minor created_at",
        N: "currency",
    },
    "event_log_head": {N: "one position"},
    "event_store": {
        P: "id event_type aggregate_id aggregate_type user_id created_at",
        I: "event_data metadata",
        N: "position event_version",
    },
    "holds": {
        P: "id account_id to_account_id amount_minor captured_minor status expires_at created_at ended_at "
        "initiated_by transaction_id",
        E: "description",
        N: "currency salt",
    },
    "idempotency_keys": {
        # The client chooses the key. Its retention deletes it within days.
        DEL: "key",
        P: "caller_id operation transaction_id created_at",
        I: "outcome",
        D: "request_digest",
        N: "salt",
    },
    "login_devices": {S: "digest", P: "user_id created_at last_used_at"},
    "login_failures": {P: "kind failures counted_at locked_until", D: "digest"},
    "notification_templates": {N: "name language version subject short text html created_at"},
    "refresh_tokens": {S: "digest", P: "session_id issued_at expires_at used_at"},
    "retained_identities": {P: "person_id created_at", N: "keep_until", E: "record", D: "record_digest"},
    "second_factors": {
        P: "user_id confirmed_at last_counter pending_since",
        S: "recovery_digests",
        X: "secret pending_secret",
    },
    "security_observations": {P: "position kind observed_at user_id", D: "network_digest address_digest"},
    "sessions": {
        P: "id user_id created_at last_used_at expires_at closed_at second_factor_at",
        E: "ip_address user_agent",
    },
    "signing_keys": {N: "id created_at signs_from older_until", W: "wrapped"},
    "subscriber_positions": {N: "subscriber position owner leased_until taken_for"},
    "transactions": {
        P: "id kind amount_minor debit_account_id credit_account_id debit_version credit_version initiated_by "
        "related_id hold_id created_at",
        E: "description",
        N: "currency salt",
    },
    "users": {
        E: "email full_name cpf phone",
        D: "email_digest cpf_digest",
        P: "id role version created_at updated_at erased_at step_up_above_minor",
        S: "password_hash",
        # Without the salt, the digest of the profile in the log cannot be compared with a guess.
        N: "salt",
    },
}

_POSTING: Names = {
    P: "transaction_id kind amount_minor debit_account_id credit_account_id initiated_by related_transaction_id "
    "hold_id",
    N: "currency",
    D: "description_digest",
}
_SESSION: Names = {P: "session_id initiated_by expires_at new_device", D: "token_digest"}
_STATUS: Names = {P: "account_id initiated_by", E: "reason"}

# The fields of each event type.
_EVENT_FIELDS: Mapping[str, Names] = {
    "AccountClosedEvent": {P: "account_id initiated_by"},
    "AccountCreatedEvent": {P: "account_id owner_id number", N: "currency"},
    "AccountFrozenEvent": {P: "account_id initiated_by by_role was_frozen", E: "reason"},
    "AccountLimitsChangedEvent": {
        P: "account_id transfer_limit_minor daily_limit_minor old_transfer_limit_minor old_daily_limit_minor "
        "initiated_by"
    },
    "AccountUnfrozenEvent": _STATUS,
    "ActionRefusedEvent": {P: "action code entity_type entity_id initiated_by"},
    "ApprovalApprovedEvent": {
        P: "approval_id kind account_id subject_id requested_by initiated_by transaction_id refusal_code "
        "refusal_message"
    },
    "ApprovalExpiredEvent": {P: "approval_id kind account_id subject_id requested_by"},
    "ApprovalRejectedEvent": {P: "approval_id kind account_id subject_id requested_by initiated_by", E: "reason"},
    "ApprovalRequestedEvent": {
        P: "approval_id kind account_id subject_id initiated_by expires_at original_id amount_minor "
        "transfer_limit_minor daily_limit_minor old_transfer_limit_minor old_daily_limit_minor role old_role",
        N: "currency",
        E: "description",
    },
    "BalanceUpdatedEvent": {
        P: "account_id transaction_id version change_minor balance_minor initiated_by",
        N: "currency",
    },
    "HoldAuthorizedEvent": {
        P: "hold_id account_id to_account_id amount_minor expires_at initiated_by",
        N: "currency",
        D: "description_digest",
    },
    "HoldCapturedEvent": {
        P: "hold_id account_id transaction_id captured_minor released_minor initiated_by",
        N: "currency",
    },
    "HoldExpiredEvent": {P: "hold_id account_id amount_minor", N: "currency"},
    "HoldReleasedEvent": {P: "hold_id account_id amount_minor initiated_by", N: "currency"},
    "IdentityDisclosedEvent": {P: "subject_id initiated_by", E: "reason"},
    "KeysForgottenEvent": {N: "used_before"},
    "LoginFailedEvent": {P: "subject_id locked", D: "address_digest"},
    "LoginLockedEvent": {P: "bucket subject_id failures locked_until", D: "address_digest"},
    "LoginUnlockedEvent": {P: "subject_id initiated_by", D: "address_digest"},
    "PasswordChangedEvent": {P: "subject_id ended_sessions initiated_by"},
    "PersonalDataExportedEvent": {P: "subject_id rows initiated_by"},
    "RefreshTokenReusedEvent": {P: "session_id owner_id"},
    "RetentionAppliedEvent": {N: "rule before rows"},
    "SecondFactorChangedEvent": {P: "subject_id change initiated_by", D: "state_digest"},
    "SecondFactorVerifiedEvent": {P: "session_id initiated_by method", D: "state_digest"},
    "StepUpLimitChangedEvent": {P: "subject_id old_above_minor above_minor initiated_by"},
    "SessionRefreshRepeatedEvent": {P: "session_id initiated_by"},
    "SessionRefreshedEvent": _SESSION,
    "SessionRevokedEvent": {P: "session_id initiated_by reason"},
    "NotificationTemplateChangedEvent": {N: "template_id name language version content_digest copied_version"},
    "SigningKeyRotatedEvent": {N: "key_id signs_from older_until wrapped_digest"},
    "StaffReadEvent": {P: "query entity_type entity_id owner_id initiated_by"},
    "SuspiciousActivityDetectedEvent": {
        P: "rule subject_type subject_id person_id period_begins_at count amount_minor positions transaction_ids",
        N: "currency",
    },
    "TransactionCompletedEvent": _POSTING,
    "TransactionInitiatedEvent": _POSTING,
    "UserErasedEvent": {P: "subject_id reapplied initiated_by", D: "identity_digest", N: "keep_until"},
    "UserLoggedInEvent": _SESSION,
    "UserLoggedOutEvent": {P: "session_id initiated_by"},
    "UserProfileChangedEvent": {P: "subject_id change initiated_by", D: "profile_digest", E: "old_email"},
    "UserRegisteredEvent": {P: "id role", D: "profile_digest"},
    "UserRoleChangedEvent": {P: "subject_id old_role new_role initiated_by"},
}

# The members of the metadata of every event.
_METADATA: Names = {P: "correlation_id actor_id", E: "ip_address user_agent", D: "key_digest"}

# The keys of log lines, those of the line itself included.
_LOG_KEYS: Names = {
    N: "level timestamp event operation status cache outcome duration_ms url metrics connections pid open reason "
    "number heads loop task members silent tags epoch breaker_open limit wanted server variable did_you_mean "
    "subscriber events position commands keys rule rows erasures accounts_left_open exc_info",
    P: "user_id correlation_id person subject",
    M: "error text exception",
}

# The labels of metrics. Their values come from fixed sets of the bank's constants.
_METRIC_LABELS: Names = {N: "operation cache code reason result subscriber path loop kind rule policy bucket"}


def _flat(names: Names) -> dict[str, DataClass]:
    flat: dict[str, DataClass] = {}
    for data_class, text in names.items():
        for name in text.split():
            assert name not in flat, f"{name} is classified twice"
            flat[name] = data_class
    return flat


def _each_flat(lists: Mapping[str, Names]) -> dict[str, dict[str, DataClass]]:
    return {title: _flat(names) for title, names in lists.items()}


COLUMNS: Mapping[str, Mapping[str, DataClass]] = _each_flat(_COLUMNS)
"""The class of each column, by table."""

EVENT_FIELDS: Mapping[str, Mapping[str, DataClass]] = _each_flat(_EVENT_FIELDS)
"""The class of each field, by event type."""

METADATA: Mapping[str, DataClass] = _flat(_METADATA)
"""The class of each member of the metadata of events."""

LOG_KEYS: Mapping[str, DataClass] = _flat(_LOG_KEYS)
"""The class of each key of log lines."""

METRIC_LABELS: Mapping[str, DataClass] = _flat(_METRIC_LABELS)
"""The class of each label of metrics."""


def unclassified(found: Mapping[str, set[str]], classified: Mapping[str, Mapping[str, DataClass]]) -> list[str]:
    """Return one sentence for each name that is not classified, and for each classified name that was not found."""
    sentences = []
    for title in sorted(found.keys() | classified.keys()):
        there, known = found.get(title, set()), set(classified.get(title, {}))
        sentences += [
            f"{title}.{name} is not classified in bank/privacy/classify.py." for name in sorted(there - known)
        ]
        sentences += [f"{title}.{name} is classified, but does not exist." for name in sorted(known - there)]
    return sentences
