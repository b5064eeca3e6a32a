"""Record every event in the audit trail (spec steps 1 and 6)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bank.database.statements import load_statements
from bank.events.model import (
    AccountClosedEvent,
    AccountFrozenEvent,
    AccountLimitsChangedEvent,
    AccountUnfrozenEvent,
    ActionRefusedEvent,
    BalanceUpdatedEvent,
    DomainEvent,
    HoldCapturedEvent,
    HoldExpiredEvent,
    HoldReleasedEvent,
    RecordedEvent,
    TransactionCompletedEvent,
)
from bank.identifiers import uuid7

_queries = load_statements(__file__)


async def record_events(connection: Any, events: Sequence[RecordedEvent]) -> None:
    """Write one audit row for each event; a repeated delivery changes nothing."""
    rows = [_describe(recorded.event) for recorded in events]
    await _queries.insert_audit_rows(
        connection,
        ids=[uuid7() for _ in events],
        positions=[recorded.position for recorded in events],
        user_ids=[recorded.event.user_id for recorded in events],
        entity_types=[recorded.event.aggregate_type for recorded in events],
        entity_ids=[recorded.event.aggregate_id for recorded in events],
        actions=[action for action, _, _ in rows],
        old_values=[_json(old) for _, old, _ in rows],
        new_values=[_json(new) for _, _, new in rows],
        ip_addresses=[recorded.metadata.ip_address for recorded in events],
        user_agents=[recorded.metadata.user_agent for recorded in events],
        moments=[recorded.created_at for recorded in events],
    )


def _describe(event: DomainEvent) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """Return action, old values and new values. What an event creates has no old values."""
    told = msgspec.to_builtins(event)
    match event:
        case BalanceUpdatedEvent():
            old = {"balance_minor": event.balance_minor - event.change_minor, "version": event.version - 1}
            return "UPDATE", old, {"balance_minor": event.balance_minor, "version": event.version}
        case TransactionCompletedEvent():
            return "COMPLETE", None, told
        case AccountFrozenEvent():
            return "UPDATE", {"status": "ACTIVE"}, {"status": "FROZEN", "reason": event.reason}
        case AccountUnfrozenEvent():
            return "UPDATE", {"status": "FROZEN"}, {"status": "ACTIVE", "reason": event.reason}
        case AccountClosedEvent():
            return "UPDATE", None, {"status": "CLOSED"}
        case AccountLimitsChangedEvent():
            limits = ("transfer_limit_minor", "daily_limit_minor")
            return "UPDATE", {name: told[f"old_{name}"] for name in limits}, {name: told[name] for name in limits}
        case HoldCapturedEvent():
            return "UPDATE", {"status": "AUTHORIZED"}, {"status": "CAPTURED", **told}
        case HoldReleasedEvent():
            return "UPDATE", {"status": "AUTHORIZED"}, {"status": "RELEASED", **told}
        case HoldExpiredEvent():
            return "UPDATE", {"status": "AUTHORIZED"}, {"status": "EXPIRED", **told}
        case ActionRefusedEvent():
            return "REFUSE", None, told
        case _:
            return "CREATE", None, told


def _json(values: dict[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()
