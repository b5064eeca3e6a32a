"""The audit trail."""

from collections.abc import Iterable, Sequence
from typing import Any

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import PlainTexts, ResolverContext
from bank.api.serializers import PAGE_MAX, JsonObject, read_cursor, read_id, serialize_page, write_cursor
from bank.audit.reads import ENTITY_TYPES, NEWEST, AuditLog, trail_page
from bank.errors import BadInput
from bank.events.types.audit import StaffReadEvent

PAGE_DEFAULT = 20


@resolver("Query.auditLogs", Access.ADMIN)
async def resolve_audit_logs(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Return a page of the audit trail, newest first; administrators only."""
    caller = context.authenticated_caller
    limit, after = arguments.get("limit"), arguments.get("after")
    limit = PAGE_DEFAULT if limit is None else limit
    if not 1 <= limit <= PAGE_MAX:
        raise BadInput(f"limit must be 1 to {PAGE_MAX}.")
    before = NEWEST if after is None else read_cursor(after)
    entity_type, given_id = arguments.get("entityType"), arguments.get("entityId")
    # An unknown type is an error, since an empty page would mean that nothing happened to such entities. The argument
    # is a String and not an enum for compatibility with the first schema.
    if entity_type is not None and entity_type not in ENTITY_TYPES:
        raise BadInput(f"entityType is one of {', '.join(ENTITY_TYPES)}.")
    entity_id = None if given_id is None else read_id(given_id)
    if given_id is not None and entity_id is None:
        raise BadInput("entityId is not an id: the bank's are UUIDs.")
    context.pending_events.append(
        StaffReadEvent(
            query="auditLogs",
            entity_type=entity_type or "AuditLog",
            entity_id=entity_id,
            owner_id=None,
            initiated_by=caller.user_id,
        )
    )
    rows = await trail_page(
        context.snapshot, entity_type=entity_type, entity_id=entity_id, before=before, max_rows=limit + 1
    )
    origins = [text for row in rows[:limit] for text in (row.ip_address, row.user_agent)]
    texts = await context.decrypt(origins, "AuditLog.ipAddress", "AuditLog.userAgent")
    values = await _decrypt_values(context, rows[:limit])
    edges = [
        {"cursor": write_cursor(row.event_position), "node": _serialize(row, texts, old_values, new_values)}
        for row, (old_values, new_values) in zip(rows[:limit], values, strict=True)
    ]
    return serialize_page(edges, has_next=len(rows) > limit, is_first=after is None)


async def _decrypt_values(
    context: ResolverContext, rows: Sequence[AuditLog]
) -> Iterable[tuple[str | None, str | None]]:
    """Return the old and the new values of each row, with their texts decrypted."""
    documents = [document for row in rows for document in (row.old_values, row.new_values)]
    plain = await context.bank.cipher.decrypt_documents(documents, context.snapshot.fetch)
    return zip(plain[::2], plain[1::2], strict=True)


def _serialize(row: AuditLog, texts: PlainTexts, old_values: str | None, new_values: str | None) -> JsonObject:
    return {
        "id": str(row.id),
        "number": str(row.number),
        "eventPosition": str(row.event_position),
        "userId": str(row.user_id) if row.user_id else None,
        "entityType": row.entity_type,
        "entityId": str(row.entity_id),
        "action": row.action,
        "oldValues": old_values,
        "newValues": new_values,
        "ipAddress": texts.get(row.ip_address),
        "userAgent": texts.get(row.user_agent),
        "createdAt": row.created_at,
        "hash": row.hash.hex(),
    }
