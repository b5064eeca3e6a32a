"""Accounts and their history."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bank.accounts.cached import account_tag
from bank.accounts.days import days_of
from bank.accounts.history import balance_before, history_page
from bank.accounts.open import open_account
from bank.accounts.reads import find_account
from bank.api.authorization import Access, resolver
from bank.api.resolver_context import PlainTexts, ResolverContext
from bank.api.serializers import (
    TRANSACTION_TEXT,
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

# Times have microseconds, so that the balance at a time is the balance before the next microsecond.
_TICK = timedelta(microseconds=1)
# The longest quarter of a year: as much as a person compares, and no more rows than a page.
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
            _record_refused_read(context, caller, None)
        return None
    if account.user_id != caller.user_id:
        context.cacheable = False
        if not caller.is_staff:
            _record_refused_read(context, caller, account.id)
            if is_cached:
                # The search for an account that does not exist reads the database. The response for another customer's
                # cached account must not be faster, or its time would show that the account exists.
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


def _record_refused_read(context: ResolverContext, caller: Caller, account_id: UUID | None) -> None:
    """Record that the caller may not see an account. The response does not show if it exists; the event does."""
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
    """Return an account, and whether it comes from the cache."""
    if context.reads_cache and context.is_one_account:
        account = await context.bank.accounts.find(account_id)
        if account is not None:
            return account, True
    return await find_account(context.snapshot, account_id), False


@resolver("Account.transactions", Access.PARENT)
async def resolve_transactions(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return a page of an account's history, newest first, as of the instant at which the account was read."""
    first, after, account = page_size(arguments), arguments.get("after"), parent["account"]
    # The account's version is the one of its newest entry, so that page and balance are as of one instant, also in a
    # replayed response.
    before = account.version + 1 if after is None else read_cursor(after)
    rows = await history_page(context.snapshot, account.id, before=before, max_rows=first + 1)
    return await _serialize_page(context, rows, first, is_first=after is None)


@resolver("Account.balanceAt", Access.PARENT)
async def resolve_balance_at(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return an account's balance at an instant, from its entries alone."""
    account, at = parent["account"], arguments["at"]
    _require_past(context, at, "at")
    past = await balance_before(context.snapshot, account.id, at + _TICK)
    return serialize_money(past.balance_minor, account.currency)


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
    opening = await balance_before(context.snapshot, account.id, begin)
    closing = await balance_before(context.snapshot, account.id, end)
    before = closing.version + 1 if after is None else min(read_cursor(after), closing.version + 1)
    rows = await history_page(
        context.snapshot, account.id, after=opening.version, before=before, max_rows=first + 1
    )  # fmt: skip
    return {
        "openingBalance": serialize_money(opening.balance_minor, account.currency),
        "closingBalance": serialize_money(closing.balance_minor, account.currency),
        "transactions": await _serialize_page(context, rows, first, is_first=after is None),
    }


@resolver("Account.days", Access.PARENT)
async def resolve_days(
    parent: JsonObject, arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return the debits, credits and closing balance of an account on each day of a range."""
    # The projection is updated a moment after the account. A response cached under the account's new version could
    # still contain the old days.
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
    """Return the limits of an account, and the amount that may still leave it today."""
    # `leftToday` changes at midnight without a change of the account's version, so that the response is not cached.
    context.cacheable = False
    account, terms = parent["account"], context.bank.terms
    per_transfer = terms.transfer_limit_minor if account.transfer_limit_minor is None else account.transfer_limit_minor
    per_day = terms.daily_limit_minor if account.daily_limit_minor is None else account.daily_limit_minor
    spent_minor = account.spent_minor_on(business_day(context.bank.clock.now()))
    return {
        "perTransfer": serialize_money(per_transfer, account.currency),
        "perDay": serialize_money(per_day, account.currency),
        "leftToday": serialize_money(max(0, per_day - spent_minor), account.currency),
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


async def _serialize_page(context: ResolverContext, rows: list[Any], first: int, *, is_first: bool) -> JsonObject:
    texts = await context.decrypt([row["description"] for row in rows[:first]], TRANSACTION_TEXT)
    edges = [_serialize_edge(row, texts) for row in rows[:first]]
    return serialize_page(edges, has_next=len(rows) > first, is_first=is_first)


def _serialize_edge(row: Any, texts: PlainTexts) -> JsonObject:
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
            "description": texts.get(row["description"]),
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
    if invalid_key := check_key(key):
        context.record_refusal("openAccount", invalid_key.code)
        return serialize_refusal(invalid_key, ("account",), replayed=False)
    opened = await open_account(
        bank.uow_factory, bank.recorder, bank.values, user_id=caller.user_id, key=key, currency=currency
    )
    if isinstance(opened.result, Refusal):
        return serialize_refusal(opened.result, ("account",), replayed=opened.replayed)
    return {"account": serialize_account(opened.result), "replayed": opened.replayed, "userErrors": []}
