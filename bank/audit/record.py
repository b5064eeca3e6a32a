"""Record every event in the audit trail (spec steps 1 and 6)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bank.database.statements import load_statements
from bank.events.model import BalanceUpdatedEvent, DomainEvent, RecordedEvent
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
    if isinstance(event, BalanceUpdatedEvent):
        old = {"balance_minor": event.balance_minor - event.change_minor, "version": event.version - 1}
        return "UPDATE", old, {"balance_minor": event.balance_minor, "version": event.version}
    action = "COMPLETE" if type(event).__name__ == "TransactionCompletedEvent" else "CREATE"
    return action, None, msgspec.to_builtins(event)


def _json(values: dict[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()
