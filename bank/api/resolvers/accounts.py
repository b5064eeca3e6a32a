"""Accounts and their history."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bank.accounts.cached import account_tag
from bank.accounts.days import days_of
from bank.accounts.history import history_page, position_before
from bank.accounts.open import open_account
from bank.accounts.reads import find_account
from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import (
    JsonObject,
    page_size,
    read_cursor,
    read_id,
    serialize_money,
    serialize_page,
    serialize_refusal,
    write_cursor,
)
from bank.clock import business_day
from bank.errors import BadInput
from bank.events.types.audit import ActionRefusedEvent, StaffReadEvent
from bank.idempotency.keys import check_key
from bank.identity.tokens import Caller
from bank.ledger.model import Account
from bank.refusal import Refusal

# Times are in microseconds: what was at an instant is what was before the next one.
_TICK = timedelta(microseconds=1)
# A quarter of a year, whichever: as much as a person compares, and no more rows than a page.
DAYS_MAX = 92


def serialize_account(account: Account) -> JsonObject:
    """Return an account as Account."""
    return {
        "id": str(account.id),
        "number": account.number,
        "currency": account.currency,
        "status": account.status,
        "balance": serialize_money(account.balance_minor, account.currency),
        "availableBalance": serialize_money(account.available_minor, account.currency),
        "heldBalance": serialize_money(account.held_minor, account.currency),
        "createdAt": account.created_at,
        "account": account,
    }


@resolver("Query.account", Access.CALLER)
async def resolve_account(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject | None:
    """Return an account that the caller may see, or null."""
    caller = context.authenticated_caller
    account_id = read_id(arguments["id"])
    account, is_cached = await _find(context, account_id) if account_id else (None, False)
    if account is None or account.user_id is None:
        if account_id is not None and not caller.is_staff:
            _refuse(context, caller, None)
        return None
    if account.user_id != caller.user_id:
        context.cacheable = False
        if not caller.is_staff:
            _refuse(context, caller, account.id)
            if is_cached:
                # A look for nobody's account ends in the database; a response must not take less time for another's.
                await find_account(context.snapshot, account.id)
            return None
        context.pending_events.append(
            StaffReadEvent(
                query="account",
                entity_type="Account",
                entity_id=account.id,
                owner_id=account.user_id,
                initiated_by=caller.user_id,
            )
        )
    context.depends_on(account_tag(account))
    return serialize_account(account)


def _refuse(context: ResolverContext, caller: Caller, account_id: UUID | None) -> None:
    """Record that an account was not shown. The answer does not tell whether there is one; the record does."""
    context.cacheable = False
    context.pending_events.append(
        ActionRefusedEvent(
            action="account",
            code="ACCOUNT_NOT_FOUND",
            entity_type="Account",
            entity_id=account_id,
            initiated_by=caller.user_id,
        )
    )


async def _find(context: ResolverContext, account_id: UUID) -> tuple[Account | None, bool]:
    """Return an account, and whether it is the cached one."""
    if context.reads_cache and context.is_one_account:
        account = await context.bank.accounts.find(account_id)
        if account is not None:
            return account, True
    return await find_account(context.snapshot, account_id), False


@resolver("Account.transactions", Access.PARENT)
async def resolve_transactions(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return a page of an account's history, newest first, as of the instant that the account was read in."""
    first, after, account = page_size(arguments), arguments.get("after"), parent["account"]
    # The account's version is that of its newest entry: page and balance are of one instant, in a replayed answer too.
    before = account.version + 1 if after is None else read_cursor(after)
    rows = await history_page(context.snapshot, account.id, before=before, most=first + 1)
    return _serialize_page(rows, first, is_first=after is None)


@resolver("Account.balanceAt", Access.PARENT)
async def resolve_balance_at(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return an account's balance at an instant, from its entries alone."""
    account, at = parent["account"], arguments["at"]
    _require_past(context, at, "at")
    position = await position_before(context.snapshot, account.id, at + _TICK)
    return serialize_money(position.balance_minor, account.currency)


@resolver("Account.statement", Access.PARENT)
async def resolve_statement(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return an account's statement from one instant up to another, from its entries alone."""
    account, begin, end = parent["account"], arguments["from"], arguments["to"]
    first, after = page_size(arguments), arguments.get("after")
    _require_past(context, end, "to")
    if begin > end:
        raise BadInput("from must not be after to.")
    opening = await position_before(context.snapshot, account.id, begin)
    closing = await position_before(context.snapshot, account.id, end)
    before = closing.version + 1 if after is None else min(read_cursor(after), closing.version + 1)
    rows = await history_page(
        context.snapshot, account.id, after=opening.version, before=before, most=first + 1
    )  # fmt: skip
    return {
        "openingBalance": serialize_money(opening.balance_minor, account.currency),
        "closingBalance": serialize_money(closing.balance_minor, account.currency),
        "transactions": _serialize_page(rows, first, is_first=after is None),
    }


@resolver("Account.days", Access.PARENT)
async def resolve_days(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return what moved on an account on each of some days."""
    # A projection follows the account by a moment: under the account's version an answer could be kept from before it.
    context.cacheable = False
    first, last = arguments["from"], arguments["to"]
    if not timedelta(0) <= last - first < timedelta(days=DAYS_MAX):
        raise BadInput(f"from must not be after to, and they span {DAYS_MAX} days at most.")
    return [
        _serialize_day(row) for row in await days_of(context.snapshot, parent["account"].id, first=first, last=last)
    ]


@resolver("Account.limits", Access.PARENT)
async def resolve_limits(
    parent: JsonObject, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return how much may leave an account."""
    # What is left of today grows at midnight, and nothing tells a cached answer so.
    context.cacheable = False
    account, terms = parent["account"], context.bank.terms
    at_once = terms.transfer_limit_minor if account.transfer_limit_minor is None else account.transfer_limit_minor
    a_day = terms.daily_limit_minor if account.daily_limit_minor is None else account.daily_limit_minor
    spent_minor = account.spent_minor_on(business_day(context.bank.clock.now()))
    return {
        "perTransfer": serialize_money(at_once, account.currency),
        "perDay": serialize_money(a_day, account.currency),
        "leftToday": serialize_money(max(0, a_day - spent_minor), account.currency),
    }


def _serialize_day(row: Any) -> JsonObject:
    currency = row["currency"]
    return {
        "day": row["day"],
        "debits": row["debits"],
        "debited": serialize_money(row["debited_minor"], currency),
        "credits": row["credits"],
        "credited": serialize_money(row["credited_minor"], currency),
        "closingBalance": serialize_money(row["closing_balance_minor"], currency),
    }


def _require_past(context: ResolverContext, moment: datetime, name: str) -> None:
    if moment > context.asked_at:
        raise BadInput(f"{name} must not be in the future.")


def _serialize_page(rows: list[Any], first: int, *, is_first: bool) -> JsonObject:
    edges = [_serialize_edge(row) for row in rows[:first]]
    return serialize_page(edges, has_next=len(rows) > first, is_first=is_first)


def _serialize_edge(row: Any) -> JsonObject:
    currency = row["currency"]
    return {
        "cursor": write_cursor(row["version"]),
        "change": serialize_money(row["change_minor"], currency),
        "balanceAfter": serialize_money(row["balance_after_minor"], currency),
        "node": {
            "id": str(row["id"]),
            "kind": row["kind"],
            "amount": serialize_money(row["amount_minor"], currency),
            "fromAccountNumber": row["debit_number"] if row["debit_kind"] == "CUSTOMER" else None,
            "toAccountNumber": row["credit_number"] if row["credit_kind"] == "CUSTOMER" else None,
            "description": row["description"],
            "createdAt": row["created_at"],
            "relatedTransactionId": str(row["related_id"]) if row["related_id"] else None,
            "holdId": str(row["hold_id"]) if row["hold_id"] else None,
        },
    }


@resolver("Mutation.openAccount", Access.CALLER)
async def resolve_open_account(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Open an account for the caller."""
    caller, given, bank = context.authenticated_caller, arguments["input"], context.bank
    key, currency = given["idempotencyKey"], given["currency"]
    if malformed := check_key(key):
        context.record_refusal("openAccount", malformed.code)
        return serialize_refusal(malformed, ("account",), replayed=False)
    opening = await open_account(
        bank.work, bank.recorder, bank.values, user_id=caller.user_id, key=key, currency=currency
    )
    if isinstance(opening.result, Refusal):
        return serialize_refusal(opening.result, ("account",), replayed=opening.replayed)
    return {"account": serialize_account(opening.result), "replayed": opening.replayed, "userErrors": []}
