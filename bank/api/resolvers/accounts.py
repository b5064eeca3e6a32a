"""Accounts and their history."""

from typing import Any
from uuid import UUID

from tartiflette import Resolver

from bank.accounts.cached import account_tag
from bank.accounts.open import open_account
from bank.accounts.reads import find_account
from bank.api.engine import SCHEMA_NAME
from bank.api.resolvers.shapes import Shape, read_cursor, read_id, shape_money, shape_refusal, write_cursor
from bank.api.scope import RequestScope
from bank.errors import BadInput
from bank.ledger.model import Account, Refusal
from bank.transfers.policy import check_key
from bank.transfers.reads import history_page

# A page of 100 is one screen of any client, and 20 ms of a worker.
PAGE_MAX = 100


def shape_account(account: Account) -> Shape:
    """Return an account as Account."""
    return {
        "id": str(account.id),
        "number": account.number,
        "currency": account.currency,
        "status": account.status,
        "balance": shape_money(account.balance_minor, account.currency),
        "createdAt": account.created_at,
        "account": account,
    }


@Resolver("Query.account", schema_name=SCHEMA_NAME)
async def resolve_account(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape | None:
    """Return an account that the caller may see, or null."""
    caller = scope.require_caller()
    account_id = read_id(arguments["id"])
    account = await _find(scope, account_id) if account_id else None
    if account is None or account.user_id is None:
        return None
    if account.user_id != caller.user_id:
        if not caller.is_staff:
            return None
        scope.cacheable = False
    scope.made_from(account_tag(account))
    return shape_account(account)


async def _find(scope: RequestScope, account_id: UUID) -> Account | None:
    if scope.reads_cache and scope.is_one_account:
        account = await scope.bank.accounts.find(account_id)
        if account is not None:
            return account
    return await find_account(scope.snapshot, account_id)


@Resolver("Account.transactions", schema_name=SCHEMA_NAME)
async def resolve_transactions(parent: Shape, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Return a page of an account's history, newest first, as of the instant that the account was read in."""
    first = arguments["first"]
    if not 1 <= first <= PAGE_MAX:
        raise BadInput(f"first must be 1 to {PAGE_MAX}.")
    after, account = arguments.get("after"), parent["account"]
    # The account's version is that of its newest entry: page and balance are of one instant, in a replayed answer too.
    before = account.version + 1 if after is None else read_cursor(after)
    rows = await history_page(scope.snapshot, account.id, before=before, most=first + 1)
    edges = [_shape_edge(row) for row in rows[:first]]
    return {
        "edges": edges,
        "nodes": [edge["node"] for edge in edges],
        "pageInfo": {
            "hasNextPage": len(rows) > first,
            "hasPreviousPage": after is not None,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def _shape_edge(row: Any) -> Shape:
    currency = row["currency"]
    return {
        "cursor": write_cursor(row["version"]),
        "change": shape_money(row["change_minor"], currency),
        "balanceAfter": shape_money(row["balance_after_minor"], currency),
        "node": {
            "id": str(row["id"]),
            "kind": row["kind"],
            "amount": shape_money(row["amount_minor"], currency),
            "fromAccountNumber": row["debit_number"] if row["debit_kind"] == "CUSTOMER" else None,
            "toAccountNumber": row["credit_number"],
            "description": row["description"],
            "createdAt": row["created_at"],
        },
    }


@Resolver("Mutation.openAccount", schema_name=SCHEMA_NAME)
async def resolve_open_account(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Open an account for the caller."""
    caller, given, bank = scope.require_caller(), arguments["input"], scope.bank
    key, currency = given["idempotencyKey"], given["currency"]
    if malformed := check_key(key):
        return shape_refusal(malformed, ("account",), replayed=False)
    opening = await open_account(bank.work, bank.values, bank.clock, user_id=caller.user_id, key=key, currency=currency)
    if isinstance(opening.result, Refusal):
        return shape_refusal(opening.result, ("account",), replayed=opening.replayed)
    return {"account": shape_account(opening.result), "replayed": opening.replayed, "userErrors": []}
