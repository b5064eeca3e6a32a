"""What happens to an account itself: frozen, unfrozen, closed, limited."""

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType
from tartiflette import Resolver

from bank.api.resolvers.accounts import shape_account
from bank.api.resolvers.shapes import Shape, read_id, shape_refusal
from bank.api.schema import SCHEMA_NAME
from bank.api.scope import RequestScope
from bank.ledger.model import Account, Refusal
from bank.transfers.policy import NOTHING, read_limit


@Resolver("Mutation.freezeAccount", schema_name=SCHEMA_NAME)
async def resolve_freeze_account(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Stop all postings on an account; staff only."""
    caller, given = scope.require_staff(), arguments["input"]
    account_id = await _named(scope, given)
    return _shape(await scope.bank.states.freeze(account_id, reason=given["reason"], by=caller.user_id))


@Resolver("Mutation.unfreezeAccount", schema_name=SCHEMA_NAME)
async def resolve_unfreeze_account(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Allow postings on a frozen account again; staff only."""
    caller, given = scope.require_staff(), arguments["input"]
    account_id = await _named(scope, given)
    return _shape(await scope.bank.states.unfreeze(account_id, reason=given["reason"], by=caller.user_id))


@Resolver("Mutation.closeAccount", schema_name=SCHEMA_NAME)
async def resolve_close_account(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Close an empty account of the caller's; staff, any."""
    caller = scope.require_caller()
    owner_id = None if caller.is_staff else caller.user_id
    account_id = read_id(arguments["input"]["accountId"]) or NOTHING
    return _shape(await scope.bank.states.close(account_id, owner_id=owner_id, by=caller.user_id))


@Resolver("Mutation.setAccountLimits", schema_name=SCHEMA_NAME)
async def resolve_set_account_limits(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Give an account limits of its own; staff only."""
    caller, given = scope.require_staff(), arguments["input"]
    limits: list[int | UnsetType | None] = []
    for name in ("perTransfer", "perDay"):
        limit = read_limit(given[name], name) if name in given else UNSET
        if isinstance(limit, Refusal):
            scope.refused("setAccountLimits", limit.code)
            return _shape(limit)
        limits.append(limit)
    account_id = await _named(scope, given)
    transfer_minor, daily_minor = limits
    return _shape(
        await scope.bank.states.limit(
            account_id, transfer_minor=transfer_minor, daily_minor=daily_minor, by=caller.user_id
        )
    )


async def _named(scope: RequestScope, given: Shape) -> UUID:
    return await scope.bank.directory.id_of(given["accountNumber"]) or NOTHING


def _shape(result: Account | Refusal) -> Shape:
    if isinstance(result, Refusal):
        return shape_refusal(result, ("account",))
    return {"account": shape_account(result), "userErrors": []}
