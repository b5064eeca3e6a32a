"""Holds and reversals."""

from typing import Any

import msgspec

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import (
    JsonObject,
    page_size,
    read_id,
    serialize_hold,
    serialize_money,
    serialize_page,
    serialize_refusal,
    serialize_transaction,
)
from bank.errors import BadInput
from bank.holds.authorize import AuthorizeHold, authorize_hold
from bank.holds.capture import CaptureHold, capture_hold
from bank.holds.reads import MAX_UUID, holds_of
from bank.holds.release import ReleaseHold, release_hold
from bank.idempotency.outcomes import HoldReceipt, Outcome, Receipt
from bank.ledger.policy import NIL_UUID
from bank.refusal import Refusal
from bank.transfers.reverse import Reverse, reverse


@resolver("Mutation.authorizeHold", Access.CALLER)
async def resolve_authorize_hold(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Place a hold on an account of the caller's."""
    caller, given = context.authenticated_caller, arguments["input"]
    command = AuthorizeHold(
        caller_id=caller.user_id,
        key=given["idempotencyKey"],
        from_id=read_id(given["fromAccountId"]) or NIL_UUID,
        to_number=given["toAccountNumber"],
        to_id=await context.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        expires_at=given.get("expiresAt"),
        description=given.get("description"),
    )
    return _serialize(await authorize_hold(context.bank.ledger, context.bank.terms, command))


@resolver("Mutation.captureHold", Access.CALLER)
async def resolve_capture_hold(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Move the held money to an account of the caller's; staff may capture any hold."""
    caller, given = context.authenticated_caller, arguments["input"]
    amount = given.get("amount") or {}
    command = CaptureHold(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        hold_id=read_id(given["holdId"]) or NIL_UUID,
        amount=amount.get("amount"),
        currency=amount.get("currency"),
    )
    return _serialize(await capture_hold(context.bank.ledger, context.bank.database, command))


@resolver("Mutation.releaseHold", Access.CALLER)
async def resolve_release_hold(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Release a hold for an account of the caller's; staff may release any hold."""
    caller, given = context.authenticated_caller, arguments["input"]
    command = ReleaseHold(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        hold_id=read_id(given["holdId"]) or NIL_UUID,
    )
    return _serialize(await release_hold(context.bank.ledger, context.bank.database, command))


@resolver("Mutation.reverseTransaction", Access.CALLER)
async def resolve_reverse_transaction(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Move back money that the caller has received; staff may reverse any transaction."""
    caller, given = context.authenticated_caller, arguments["input"]
    amount = given.get("amount") or {}
    command = Reverse(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        transaction_id=read_id(given["transactionId"]) or NIL_UUID,
        amount=amount.get("amount"),
        currency=amount.get("currency"),
        reason=given.get("reason"),
    )
    outcome = await reverse(context.bank.ledger, context.bank.database, command)
    if isinstance(outcome.result, Refusal):
        return serialize_refusal(outcome.result, ("transaction",), replayed=outcome.replayed)
    assert isinstance(outcome.result, Receipt)
    return {"transaction": serialize_transaction(outcome.result), "replayed": outcome.replayed, "userErrors": []}


@resolver("Account.holds", Access.PARENT)
async def resolve_holds(
    parent: JsonObject, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return the holds on an account, newest first."""
    return [serialize_hold(row) for row in await holds_of(context.snapshot, parent["account"].id)]


@resolver("Account.holdPage", Access.PARENT)
async def resolve_hold_page(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return a page of the holds on an account, newest first."""
    first, after = page_size(arguments), arguments.get("after")
    before = MAX_UUID if after is None else read_id(after)
    if before is None:
        raise BadInput("after is not a cursor of this connection.")
    rows = await holds_of(context.snapshot, parent["account"].id, before=before, max_rows=first + 1)
    edges = [{"cursor": str(row["id"]), "node": serialize_hold(row)} for row in rows[:first]]
    return serialize_page(edges, has_next=len(rows) > first, is_first=after is None)


def _serialize(outcome: Outcome) -> JsonObject:
    result = outcome.result
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("hold", "transaction", "availableAfter"), replayed=outcome.replayed)
    assert isinstance(result, HoldReceipt)
    return {
        "hold": serialize_hold(msgspec.structs.asdict(result)),
        "transaction": serialize_transaction(result.receipt) if result.receipt else None,
        "availableAfter": serialize_money(result.available_after_minor, result.currency),
        "replayed": outcome.replayed,
        "userErrors": [],
    }
