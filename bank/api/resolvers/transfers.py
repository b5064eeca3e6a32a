"""Transfers, single and in lists; deposits and withdrawals."""

from typing import Any

from tartiflette import Resolver

from bank.api.resolvers.shapes import (
    Shape,
    read_id,
    shape_errors,
    shape_money,
    shape_receipt,
    shape_refusal,
)
from bank.api.schema import SCHEMA_NAME
from bank.api.scope import RequestScope
from bank.identity.tokens import Caller
from bank.ledger.command import Outcome, Receipt, Results
from bank.ledger.model import Refusal
from bank.transfers.policy import NOTHING
from bank.transfers.submit import (
    SubmitDeposit,
    SubmitList,
    SubmitTransfer,
    SubmitWithdrawal,
    submit_deposit,
    submit_list,
    submit_transfer,
    submit_withdrawal,
)


@Resolver("Mutation.transfer", schema_name=SCHEMA_NAME)
async def resolve_transfer(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Move money from an account of the caller's."""
    caller, given = scope.require_caller(), arguments["input"]
    command = await _read_transfer(scope, caller, given, given["idempotencyKey"])
    return shape_outcome(await submit_transfer(scope.bank.ledger, scope.bank.terms, command))


@Resolver("Mutation.transferBatch", schema_name=SCHEMA_NAME)
async def resolve_transfer_batch(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Move money several times, all or nothing or each by itself."""
    caller, given = scope.require_caller(), arguments["input"]
    key = given["idempotencyKey"]
    command = SubmitList(
        caller_id=caller.user_id,
        key=key,
        all_or_none=given["atomic"],
        items=tuple([await _read_transfer(scope, caller, item, key) for item in given["transfers"]]),
    )
    outcome = await submit_list(scope.bank.ledger, scope.bank.terms, command)
    if not isinstance(outcome.result, Results):
        assert isinstance(outcome.result, Refusal)
        return shape_refusal(outcome.result, ("results",), replayed=outcome.replayed)
    results = [
        shape_result(item, ("input", "transfers", str(place))) for place, item in enumerate(outcome.result.items)
    ]
    return {"results": results, "replayed": outcome.replayed, "userErrors": []}


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
    return shape_outcome(await submit_deposit(scope.bank.ledger, command))


@Resolver("Mutation.withdraw", schema_name=SCHEMA_NAME)
async def resolve_withdraw(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Take money out of the bank, from an account of the caller's; staff, from any."""
    caller, given = scope.require_caller(), arguments["input"]
    command = SubmitWithdrawal(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=given["idempotencyKey"],
        from_number=given["accountNumber"],
        from_id=await scope.bank.directory.id_of(given["accountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )
    return shape_outcome(await submit_withdrawal(scope.bank.ledger, scope.bank.terms, command))


async def _read_transfer(scope: RequestScope, caller: Caller, given: Shape, key: str) -> SubmitTransfer:
    return SubmitTransfer(
        caller_id=caller.user_id,
        key=key,
        from_id=read_id(given["fromAccountId"]) or NOTHING,
        to_number=given["toAccountNumber"],
        to_id=await scope.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )


def shape_outcome(outcome: Outcome) -> Shape:
    """Return what became of a posting as the payload of its mutation."""
    assert isinstance(outcome.result, Receipt | Refusal)
    return {**shape_result(outcome.result), "replayed": outcome.replayed}


def shape_result(result: Receipt | Refusal, place: tuple[str, ...] = ("input",)) -> Shape:
    """Return what became of one posting: the transaction, or why there is none. `place` is where it was asked for."""
    if isinstance(result, Refusal):
        return {"transaction": None, "balanceAfter": None, "fee": None, "userErrors": shape_errors(result, place)}
    # Who asks sees the side that is theirs.
    after_minor = (
        result.credit_balance_after_minor if result.kind == "DEPOSIT" else result.debit_balance_after_minor
    )  # fmt: skip
    return {
        "transaction": shape_receipt(result),
        "balanceAfter": shape_money(after_minor, result.currency),
        "fee": shape_money(result.fee_minor, result.currency),
        "userErrors": [],
    }
