"""Reads of the audit trail, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements

_queries = load_statements(__file__)
_OF_ALL = _queries.page_of_all.sql
_OF_ENTITY = _queries.page_of_entity.sql
_OF_COMMON_TYPE = _queries.page_of_common_type.sql
_OF_RARE_TYPE = _queries.page_of_rare_type.sql

NEWEST = 2**63 - 1
# The entity types of all events; a test compares them. AuditLog is for reads of the audit trail by staff.
ENTITY_TYPES = (
    "Account",
    "Approval",
    "AuditLog",
    "Hold",
    "IdempotencyKeys",
    "Network",
    "NotificationTemplate",
    "Retention",
    "SigningKey",
    "Transaction",
    "User",
)
# The types of the rows that each posting writes. The index on the type leaves them out, so that postings need not
# update it.
COMMON_TYPES = frozenset({"Account", "Transaction"})


@dataclass(frozen=True, slots=True)
class AuditLog:
    """A row of the audit trail. Old and new values are JSON."""

    number: int
    event_position: int
    id: UUID
    user_id: UUID | None
    entity_type: str
    entity_id: UUID
    action: str
    old_values: str | None
    new_values: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: datetime
    hash: bytes


async def trail_page(
    snapshot: ReadSnapshot, *, entity_type: str | None, entity_id: UUID | None, before: int, max_rows: int
) -> list[AuditLog]:
    """Return up to `max_rows` rows of events before position `before`, newest first: of an entity, a type, or all."""
    if entity_id is not None:
        rows = await snapshot.fetch(_OF_ENTITY, entity_id, entity_type, before, max_rows)
    elif entity_type is None:
        rows = await snapshot.fetch(_OF_ALL, before, max_rows)
    else:
        query = _OF_COMMON_TYPE if entity_type in COMMON_TYPES else _OF_RARE_TYPE
        rows = await snapshot.fetch(query, entity_type, before, max_rows)
    return [AuditLog(*row) for row in rows]
