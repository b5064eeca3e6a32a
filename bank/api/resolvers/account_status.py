"""Mutations that change an account but move no money: freeze, unfreeze, close, set limits."""

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from bank.accounts.limits import read_limit
from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.resolvers.accounts import serialize_account
from bank.api.resolvers.approvals import serialize_request
from bank.api.serializers import JsonObject, read_id, serialize_refusal
from bank.ledger.approval_policy import Approval
from bank.ledger.model import Account
from bank.ledger.policy import NIL_UUID
from bank.refusal import Refusal


@resolver("Mutation.freezeAccount", Access.STAFF)
async def resolve_freeze_account(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Stop all postings on an account; staff only."""
    caller, given = context.authenticated_caller, arguments["input"]
    account = await context.bank.directory.find(given["accountNumber"])
    result = await context.bank.administration.freeze(
        account.id if account else NIL_UUID,
        owner_id=account.owner_id if account else None,
        reason=given["reason"],
        by=caller.user_id,
        role=caller.role,
    )
    return _serialize(result)


@resolver("Mutation.unfreezeAccount", Access.STAFF)
async def resolve_unfreeze_account(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Allow postings on a frozen account again; staff only."""
    caller, given = context.authenticated_caller, arguments["input"]
    account = await context.bank.directory.find(given["accountNumber"])
    result = await context.bank.administration.unfreeze(
        account.id if account else NIL_UUID,
        owner_id=account.owner_id if account else None,
        reason=given["reason"],
        by=caller.user_id,
        role=caller.role,
    )
    return _serialize(result)


@resolver("Mutation.closeAccount", Access.CALLER)
async def resolve_close_account(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Close an empty account of the caller's; staff may close any empty account."""
    caller = context.authenticated_caller
    owner_id = None if caller.is_staff else caller.user_id
    account_id = read_id(arguments["input"]["accountId"]) or NIL_UUID
    return _serialize(await context.bank.administration.close(account_id, owner_id=owner_id, by=caller.user_id))


@resolver("Mutation.setAccountLimits", Access.STAFF)
async def resolve_set_account_limits(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Set the limits of one account; staff only."""
    caller, given = context.authenticated_caller, arguments["input"]
    limits: list[int | UnsetType | None] = []
    for name in ("perTransfer", "perDay"):
        limit = read_limit(given[name], name) if name in given else UNSET
        if isinstance(limit, Refusal):
            context.record_refusal("setAccountLimits", limit.code)
            return _serialize(limit)
        limits.append(limit)
    account_id = await _account_id(context, given)
    transfer_minor, daily_minor = limits
    result = await context.bank.administration.set_limits(
        account_id, transfer_minor=transfer_minor, daily_minor=daily_minor, by=caller.user_id
    )
    return await serialize_request(context, result, "account") if isinstance(result, Approval) else _serialize(result)


async def _account_id(context: ResolverContext, given: JsonObject) -> UUID:
    return await context.bank.directory.id_of(given["accountNumber"]) or NIL_UUID


def _serialize(result: Account | Refusal) -> JsonObject:
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("account", "approval"))
    return {"account": serialize_account(result), "approval": None, "userErrors": []}
