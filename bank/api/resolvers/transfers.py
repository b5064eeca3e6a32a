"""Transfers and deposits."""

from typing import Any
from uuid import UUID

from tartiflette import Resolver

from bank.api.engine import SCHEMA_NAME
from bank.api.resolvers.shapes import Shape, read_id, shape_money, shape_receipt, shape_refusal
from bank.api.scope import RequestScope
from bank.ledger.batch import Outcome
from bank.ledger.model import Receipt
from bank.transfers.submit import SubmitDeposit, SubmitTransfer, submit_deposit, submit_transfer

# No account has it: an id that no id of the bank looks like is decided, and refused, like any unknown one.
_NO_ACCOUNT = UUID(int=0)


@Resolver("Mutation.transfer", schema_name=SCHEMA_NAME)
async def resolve_transfer(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Move money from an account of the caller's."""
    caller, given = scope.require_caller(), arguments["input"]
    command = SubmitTransfer(
        caller_id=caller.user_id,
        key=given["idempotencyKey"],
        from_id=read_id(given["fromAccountId"]) or _NO_ACCOUNT,
        to_number=given["toAccountNumber"],
        to_id=await scope.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )
    return _shape(await submit_transfer(scope.bank.ledger, command))


@Resolver("Mutation.deposit", schema_name=SCHEMA_NAME)
async def resolve_deposit(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Put money from outside into an account; staff only."""
    caller, given = scope.require_staff(), arguments["input"]
    command = SubmitDeposit(
        caller_id=caller.user_id,
        key=given["idempotencyKey"],
        to_number=given["accountNumber"],
        to_id=await scope.bank.directory.id_of(given["accountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )
    return _shape(await submit_deposit(scope.bank.ledger, command))


def _shape(outcome: Outcome) -> Shape:
    result = outcome.result
    if not isinstance(result, Receipt):
        return shape_refusal(result, ("transaction", "balanceAfter"), replayed=outcome.replayed)
    after_minor = (
        result.credit_balance_after_minor if result.kind == "DEPOSIT" else result.debit_balance_after_minor
    )  # fmt: skip
    return {
        "transaction": shape_receipt(result),
        "balanceAfter": shape_money(after_minor, result.currency),
        "replayed": outcome.replayed,
        "userErrors": [],
    }
