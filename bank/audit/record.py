"""Recording of every event in the audit trail (S1, S6)."""

from collections.abc import Sequence
from typing import Any

from bank.audit.describe import describe
from bank.database.statements import load_statements
from bank.events.event import RecordedEvent
from bank.identifiers import uuid7s

queries = load_statements(__file__)


async def record_events(connection: Any, events: Sequence[RecordedEvent]) -> None:
    """Write one audit row for each event, chained to the rows before it. A repeated delivery changes nothing."""
    descriptions = [describe(recorded.event) for recorded in events]
    await queries.insert_audit_rows(
        connection,
        ids=uuid7s(len(events)),
        positions=[recorded.position for recorded in events],
        user_ids=[recorded.event.user_id for recorded in events],
        entity_types=[recorded.event.aggregate_type for recorded in events],
        entity_ids=[recorded.event.aggregate_id for recorded in events],
        actions=[action for action, _, _ in descriptions],
        old_values=[old for _, old, _ in descriptions],
        new_values=[new for _, _, new in descriptions],
        ip_addresses=[recorded.metadata.ip_address for recorded in events],
        user_agents=[recorded.metadata.user_agent for recorded in events],
        moments=[recorded.created_at for recorded in events],
    )
