"""Holds and reversals."""

from typing import Any

import msgspec

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.resolvers.transfers import serialize_outcome
from bank.api.serializers import (
    HOLD_TEXT,
    TRANSACTION_TEXT,
    JsonObject,
    page_size,
    read_id,
    serialize_hold,
    serialize_money,
    serialize_page,
    serialize_refusal,
    serialize_transaction,
)
from bank.api.step_up import refuse_step_up
from bank.errors import BadInput
from bank.holds.authorize import AuthorizeHold, authorize_hold
from bank.holds.capture import CaptureHold, capture_hold
from bank.holds.reads import MAX_UUID, holds_of
from bank.holds.release import ReleaseHold, release_hold
from bank.idempotency.outcomes import HoldReceipt, Outcome
from bank.ledger.policy import NIL_UUID
from bank.refusal import Refusal
from bank.transfers.reverse import Reverse, reverse


@resolver("Mutation.authorizeHold", Access.CALLER)
async def resolve_authorize_hold(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Place a hold on an account of the caller's."""
    caller, given = context.authenticated_caller, arguments["input"]
    key = given["idempotencyKey"]
    # The payer of the hold proves the second factor. The receiver, who captures it, pays nothing.
    if refusal := await refuse_step_up(context, "authorizeHold", key, [given["amount"]]):
        return serialize_refusal(refusal, ("hold", "transaction", "availableAfter"), replayed=False)
    command = AuthorizeHold(
        caller_id=caller.user_id,
        key=key,
        from_id=read_id(given["fromAccountId"]) or NIL_UUID,
        to_number=given["toAccountNumber"],
        to_id=await context.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        expires_at=given.get("expiresAt"),
        description=given.get("description"),
    )
    return await _serialize(context, await authorize_hold(context.bank.ledger, context.bank.terms, command))


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
    return await _serialize(context, await capture_hold(context.bank.ledger, context.bank.database, command))


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
    return await _serialize(context, await release_hold(context.bank.ledger, context.bank.database, command))


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
    outcome = await reverse(context.bank.ledger, context.bank.database, context.bank.terms, command)
    return await serialize_outcome(context, outcome)


@resolver("Account.holds", Access.PARENT)
async def resolve_holds(
    parent: JsonObject, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return the holds on an account, newest first."""
    rows = await holds_of(context.snapshot, parent["account"].id)
    texts = await context.decrypt([row["description"] for row in rows], HOLD_TEXT)
    return [serialize_hold(row, texts) for row in rows]


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
    texts = await context.decrypt([row["description"] for row in rows[:first]], HOLD_TEXT)
    edges = [{"cursor": str(row["id"]), "node": serialize_hold(row, texts)} for row in rows[:first]]
    return serialize_page(edges, has_next=len(rows) > first, is_first=after is None)


async def _serialize(context: ResolverContext, outcome: Outcome) -> JsonObject:
    result = outcome.result
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("hold", "transaction", "availableAfter"), replayed=outcome.replayed)
    assert isinstance(result, HoldReceipt)
    # A capture has the description of its hold.
    texts = await context.decrypt([result.description], HOLD_TEXT, TRANSACTION_TEXT)
    return {
        "hold": serialize_hold(msgspec.structs.asdict(result), texts),
        "transaction": serialize_transaction(result.receipt, texts) if result.receipt else None,
        "availableAfter": serialize_money(result.available_after_minor, result.currency),
        "replayed": outcome.replayed,
        "userErrors": [],
    }
