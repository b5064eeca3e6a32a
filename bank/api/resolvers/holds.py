"""Holds, and reversals: what happens to money after it was promised or moved."""

from typing import Any

import msgspec
from tartiflette import Resolver

from bank.api.resolvers.shapes import (
    Shape,
    page_size,
    read_id,
    shape_hold,
    shape_money,
    shape_page,
    shape_receipt,
    shape_refusal,
)
from bank.api.schema import SCHEMA_NAME
from bank.api.scope import RequestScope
from bank.errors import BadInput
from bank.ledger.command import HoldReceipt, Outcome, Receipt
from bank.ledger.model import Refusal
from bank.transfers.hold import AuthorizeHold, CaptureHold, ReleaseHold, authorize_hold, capture_hold, release_hold
from bank.transfers.policy import NOTHING
from bank.transfers.reads import LATEST, holds_of
from bank.transfers.reverse import Reverse, reverse


@Resolver("Mutation.authorizeHold", schema_name=SCHEMA_NAME)
async def resolve_authorize_hold(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Set money aside on an account of the caller's."""
    caller, given = scope.require_caller(), arguments["input"]
    command = AuthorizeHold(
        caller_id=caller.user_id,
        key=given["idempotencyKey"],
        from_id=read_id(given["fromAccountId"]) or NOTHING,
        to_number=given["toAccountNumber"],
        to_id=await scope.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        expires_at=given.get("expiresAt"),
        description=given.get("description"),
    )
    return _shape(await authorize_hold(scope.bank.ledger, scope.bank.terms, command))


@Resolver("Mutation.captureHold", schema_name=SCHEMA_NAME)
async def resolve_capture_hold(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Move what is held for an account of the caller's; staff, for any."""
    caller, given = scope.require_caller(), arguments["input"]
    amount = given.get("amount") or {}
    command = CaptureHold(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        hold_id=read_id(given["holdId"]) or NOTHING,
        amount=amount.get("amount"),
        currency=amount.get("currency"),
    )
    return _shape(await capture_hold(scope.bank.ledger, scope.bank.database, command))


@Resolver("Mutation.releaseHold", schema_name=SCHEMA_NAME)
async def resolve_release_hold(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Give up what is held for an account of the caller's; staff, for any."""
    caller, given = scope.require_caller(), arguments["input"]
    command = ReleaseHold(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        hold_id=read_id(given["holdId"]) or NOTHING,
    )
    return _shape(await release_hold(scope.bank.ledger, scope.bank.database, command))


@Resolver("Mutation.reverseTransaction", schema_name=SCHEMA_NAME)
async def resolve_reverse_transaction(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Give money back that the caller has received; staff, any."""
    caller, given = scope.require_caller(), arguments["input"]
    amount = given.get("amount") or {}
    command = Reverse(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        transaction_id=read_id(given["transactionId"]) or NOTHING,
        amount=amount.get("amount"),
        currency=amount.get("currency"),
        reason=given.get("reason"),
    )
    outcome = await reverse(scope.bank.ledger, scope.bank.database, command)
    if isinstance(outcome.result, Refusal):
        return shape_refusal(outcome.result, ("transaction",), replayed=outcome.replayed)
    assert isinstance(outcome.result, Receipt)
    return {"transaction": shape_receipt(outcome.result), "replayed": outcome.replayed, "userErrors": []}


@Resolver("Account.holds", schema_name=SCHEMA_NAME)
async def resolve_holds(parent: Shape, _arguments: Shape, scope: RequestScope, _info: Any) -> list[Shape]:
    """Return the holds on an account, the latest first."""
    return [shape_hold(row) for row in await holds_of(scope.snapshot, parent["account"].id)]


@Resolver("Account.holdPage", schema_name=SCHEMA_NAME)
async def resolve_hold_page(parent: Shape, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Return a page of the holds on an account, the latest first."""
    first, after = page_size(arguments), arguments.get("after")
    before = LATEST if after is None else read_id(after)
    if before is None:
        raise BadInput("after is not a cursor of this connection.")
    rows = await holds_of(scope.snapshot, parent["account"].id, before=before, most=first + 1)
    edges = [{"cursor": str(row["id"]), "node": shape_hold(row)} for row in rows[:first]]
    return shape_page(edges, has_next=len(rows) > first, is_first=after is None)


def _shape(outcome: Outcome) -> Shape:
    result = outcome.result
    if isinstance(result, Refusal):
        return shape_refusal(result, ("hold", "transaction", "availableAfter"), replayed=outcome.replayed)
    assert isinstance(result, HoldReceipt)
    return {
        "hold": shape_hold(msgspec.structs.asdict(result)),
        "transaction": shape_receipt(result.receipt) if result.receipt else None,
        "availableAfter": shape_money(result.available_after_minor, result.currency),
        "replayed": outcome.replayed,
        "userErrors": [],
    }
