"""The audit trail."""

from typing import Any

from tartiflette import Resolver

from bank.api.engine import SCHEMA_NAME
from bank.api.resolvers.accounts import PAGE_MAX
from bank.api.resolvers.shapes import Shape, read_cursor, read_id, write_cursor
from bank.api.scope import RequestScope
from bank.audit.reads import NEWEST, AuditLog, trail_page
from bank.errors import BadInput
from bank.events.model import StaffReadEvent

PAGE_DEFAULT = 20
# Every look is on record for ever, with what was looked for; the names of types have a dozen characters.
ENTITY_TYPE_MAX = 40


@Resolver("Query.auditLogs", schema_name=SCHEMA_NAME)
async def resolve_audit_logs(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Return a page of the audit trail, latest first; administrators only."""
    caller = scope.require_admin()
    limit, after = arguments.get("limit"), arguments.get("after")
    limit = PAGE_DEFAULT if limit is None else limit
    if not 1 <= limit <= PAGE_MAX:
        raise BadInput(f"limit must be 1 to {PAGE_MAX}.")
    before = NEWEST if after is None else read_cursor(after)
    entity_type, given_id = arguments.get("entityType"), arguments.get("entityId")
    if entity_type is not None and len(entity_type) > ENTITY_TYPE_MAX:
        raise BadInput(f"entityType has at most {ENTITY_TYPE_MAX} characters.")
    entity_id = None if given_id is None else read_id(given_id)
    scope.told.append(
        StaffReadEvent(
            query="auditLogs",
            entity_type=entity_type or "AuditLog",
            entity_id=entity_id,
            owner_id=None,
            initiated_by=caller.user_id,
        )
    )
    if given_id is not None and entity_id is None:
        rows: list[AuditLog] = []
    else:
        rows = await trail_page(
            scope.snapshot, entity_type=entity_type, entity_id=entity_id, before=before, most=limit + 1
        )
    edges = [{"cursor": write_cursor(row.event_position), "node": _shape(row)} for row in rows[:limit]]
    return {
        "edges": edges,
        "nodes": [edge["node"] for edge in edges],
        "pageInfo": {
            "hasNextPage": len(rows) > limit,
            "hasPreviousPage": after is not None,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def _shape(row: AuditLog) -> Shape:
    return {
        "id": str(row.id),
        "number": str(row.number),
        "eventPosition": str(row.event_position),
        "userId": str(row.user_id) if row.user_id else None,
        "entityType": row.entity_type,
        "entityId": str(row.entity_id),
        "action": row.action,
        "oldValues": row.old_values,
        "newValues": row.new_values,
        "ipAddress": row.ip_address,
        "userAgent": row.user_agent,
        "createdAt": row.created_at,
        "hash": row.hash.hex(),
    }
