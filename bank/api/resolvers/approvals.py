"""Approvals: the pending requests, and the decisions about them."""

from typing import Any
from uuid import UUID

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import (
    APPROVAL_TEXTS,
    TRANSACTION_TEXT,
    JsonObject,
    page_size,
    read_id,
    serialize_approval,
    serialize_page,
    serialize_refusal,
)
from bank.approvals.approve import Approve
from bank.approvals.reads import ApprovalDetails, approval_in, details_of, find_approval, pending_page
from bank.approvals.reject import reject
from bank.approvals.request_role import ChangeRole, request_role
from bank.errors import BadInput
from bank.events.types.audit import StaffReadEvent
from bank.idempotency.outcomes import ApprovalReceipt, Receipt
from bank.ledger.approval_policy import Approval
from bank.ledger.policy import NIL_UUID
from bank.refusal import Refusal


@resolver("Query.pendingApprovals", Access.STAFF)
async def resolve_pending_approvals(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return a page of the requests that wait for a decision, oldest first; staff only."""
    first, given = page_size(arguments), arguments.get("after")
    after = NIL_UUID if given is None else read_id(given)
    if after is None:
        raise BadInput("after is not a cursor of this connection.")
    _record_read(context, "pendingApprovals", None)
    rows = await pending_page(context.snapshot, after=after, now=context.asked_at, max_rows=first + 1)
    details = await details_of(rows[:first], context.snapshot.fetch)
    nodes = await _serialize_all(context, rows[:first], details)
    edges = [{"cursor": node["id"], "node": node} for node in nodes]
    return serialize_page(edges, has_next=len(rows) > first, is_first=given is None)


@resolver("Query.approval", Access.STAFF)
async def resolve_approval(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject | None:
    """Return a request, or null; staff only."""
    approval_id = read_id(arguments["id"])
    _record_read(context, "approval", approval_id)
    approval = await approval_in(context.snapshot, approval_id) if approval_id else None
    if approval is None:
        return None
    details = await details_of([approval], context.snapshot.fetch)
    [serialized] = await _serialize_all(context, [approval], details)
    return serialized


@resolver("Mutation.approve", Access.STAFF)
async def resolve_approve(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Approve and execute a request of another member of staff."""
    given = arguments["input"]
    command = Approve(
        caller_id=context.authenticated_caller.user_id,
        key=given["idempotencyKey"],
        approval_id=read_id(given["approvalId"]) or NIL_UUID,
    )
    outcome = await context.bank.approvals.approve(command)
    if isinstance(outcome.result, Refusal):
        return serialize_refusal(outcome.result, ("approval",), replayed=outcome.replayed)
    assert isinstance(outcome.result, ApprovalReceipt)
    approval, *_ = await read_approval(context, outcome.result.id)
    return {"approval": approval, "replayed": outcome.replayed, "userErrors": []}


@resolver("Mutation.reject", Access.STAFF)
async def resolve_reject(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Reject a request of another member of staff."""
    bank, given = context.bank, arguments["input"]
    approval = await find_approval(bank.database, read_id(given["approvalId"]) or NIL_UUID)
    result = await reject(
        bank.uow_factory, approval, caller_id=context.authenticated_caller.user_id, reason=given["reason"]
    )
    return await serialize_request(context, result)


@resolver("Mutation.changeRole", Access.ADMIN)
async def resolve_change_role(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Request another role for a user; administrators only."""
    given = arguments["input"]
    command = ChangeRole(caller_id=context.authenticated_caller.user_id, email=given["email"], role=given["role"])
    return await serialize_request(context, await request_role(context.bank.uow_factory, context.bank.terms, command))


async def serialize_request(context: ResolverContext, result: Approval | Refusal | None, *others: str) -> JsonObject:
    """Return a payload with a request or its refusal; the fields `others` are null."""
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("approval", *others))
    approval = None if result is None else (await read_approval(context, result.id))[0]
    return {**dict.fromkeys(others), "approval": approval, "userErrors": []}


async def read_approval(context: ResolverContext, approval_id: UUID) -> tuple[JsonObject, Approval, Receipt | None]:
    """Return a request as it is now: as Approval, its values, and the receipt of its transaction.

    Not from the snapshot of the request, which may have begun before the mutation.
    """
    approval = await find_approval(context.bank.database, approval_id)
    assert approval is not None, "approvals are kept"
    async with context.bank.database.connection() as connection:
        details = await details_of([approval], connection.fetch)
    [serialized] = await _serialize_all(context, [approval], details)
    return serialized, approval, details.receipts.get(approval.transaction_id)


async def _serialize_all(
    context: ResolverContext, approvals: list[Approval], details: ApprovalDetails
) -> list[JsonObject]:
    context.cacheable = False
    stored = [text for one in approvals for text in (one.description, one.reason)]
    stored += [receipt.description for receipt in details.receipts.values()]
    texts = await context.decrypt(stored, *APPROVAL_TEXTS, TRANSACTION_TEXT)
    return [serialize_approval(one, details, texts) for one in approvals]


def _record_read(context: ResolverContext, query: str, approval_id: UUID | None) -> None:
    context.cacheable = False
    context.pending_events.append(
        StaffReadEvent(
            query=query,
            entity_type="Approval",
            entity_id=approval_id,
            owner_id=None,
            initiated_by=context.authenticated_caller.user_id,
        )
    )
