"""Transfers, single and in batches; deposits and withdrawals."""

from typing import Any

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.resolvers.approvals import read_approval
from bank.api.serializers import (
    TRANSACTION_TEXT,
    JsonObject,
    read_id,
    serialize_money,
    serialize_refusal,
    serialize_transaction,
    serialize_user_errors,
)
from bank.api.step_up import refuse_step_up
from bank.idempotency.outcomes import ApprovalReceipt, Outcome, Receipt, Results
from bank.identity.tokens import Caller
from bank.ledger.approval_policy import refusal_of
from bank.ledger.policy import NIL_UUID
from bank.refusal import Refusal
from bank.transfers.batch import SubmitTransferBatch, submit_transfer_batch
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.transfer import SubmitTransfer, submit_transfer
from bank.transfers.withdraw import SubmitWithdrawal, submit_withdrawal

# The payload of a posting that waits for an approval.
_NOTHING_YET: JsonObject = {"transaction": None, "balanceAfter": None, "fee": None, "userErrors": []}


@resolver("Mutation.transfer", Access.CALLER)
async def resolve_transfer(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Move money from an account of the caller's."""
    caller, given = context.authenticated_caller, arguments["input"]
    key = given["idempotencyKey"]
    if refusal := await refuse_step_up(context, "transfer", key, [given["amount"]]):
        return serialize_refusal(refusal, ("transaction", "balanceAfter", "fee"), replayed=False)
    command = await _read_transfer(context, caller, given, key)
    return await serialize_outcome(context, await submit_transfer(context.bank.ledger, context.bank.terms, command))


@resolver("Mutation.transferBatch", Access.CALLER)
async def resolve_transfer_batch(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Move money several times: all or none of the transfers, or each independently."""
    caller, given = context.authenticated_caller, arguments["input"]
    key = given["idempotencyKey"]
    amounts = [item["amount"] for item in given["transfers"]]
    if refusal := await refuse_step_up(context, "transferBatch", key, amounts, field="transfers"):
        return serialize_refusal(refusal, ("results",), replayed=False)
    command = SubmitTransferBatch(
        caller_id=caller.user_id,
        key=key,
        all_or_none=given["atomic"],
        items=tuple([await _read_transfer(context, caller, item, key) for item in given["transfers"]]),
    )
    outcome = await submit_transfer_batch(context.bank.ledger, context.bank.terms, command)
    if not isinstance(outcome.result, Results):
        assert isinstance(outcome.result, Refusal)
        return serialize_refusal(outcome.result, ("results",), replayed=outcome.replayed)
    results = [
        await serialize_result(context, item, ("input", "transfers", str(index)))
        for index, item in enumerate(outcome.result.items)
    ]
    return {"results": results, "replayed": outcome.replayed, "userErrors": []}


@resolver("Mutation.deposit", Access.STAFF)
async def resolve_deposit(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Put money from outside into an account; staff only."""
    caller, given = context.authenticated_caller, arguments["input"]
    account = await context.bank.directory.find(given["accountNumber"])
    command = SubmitDeposit(
        caller_id=caller.user_id,
        key=given["idempotencyKey"],
        to_number=given["accountNumber"],
        to_id=account.id if account else None,
        to_owner_id=account.owner_id if account else None,
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )
    return await serialize_outcome(context, await submit_deposit(context.bank.ledger, context.bank.terms, command))


@resolver("Mutation.withdraw", Access.CALLER)
async def resolve_withdraw(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Take money out of the bank from an account of the caller's; staff may use any account."""
    caller, given = context.authenticated_caller, arguments["input"]
    account, key = await context.bank.directory.find(given["accountNumber"]), given["idempotencyKey"]
    # A withdrawal by staff from the account of a customer needs a second person instead.
    is_payment = not caller.is_staff or (account is not None and account.owner_id == caller.user_id)
    if is_payment and (refusal := await refuse_step_up(context, "withdraw", key, [given["amount"]])):
        return serialize_refusal(refusal, ("transaction", "balanceAfter", "fee", "approval"), replayed=False)
    command = SubmitWithdrawal(
        caller_id=caller.user_id,
        owner_id=None if caller.is_staff else caller.user_id,
        key=key,
        from_number=given["accountNumber"],
        from_id=account.id if account else None,
        from_owner_id=account.owner_id if account else None,
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )
    return await serialize_outcome(context, await submit_withdrawal(context.bank.ledger, context.bank.terms, command))


async def _read_transfer(context: ResolverContext, caller: Caller, given: JsonObject, key: str) -> SubmitTransfer:
    return SubmitTransfer(
        caller_id=caller.user_id,
        key=key,
        from_id=read_id(given["fromAccountId"]) or NIL_UUID,
        to_number=given["toAccountNumber"],
        to_id=await context.bank.directory.id_of(given["toAccountNumber"]),
        amount=given["amount"]["amount"],
        currency=given["amount"]["currency"],
        description=given.get("description"),
    )


async def serialize_outcome(context: ResolverContext, outcome: Outcome) -> JsonObject:
    """Return the outcome of a posting as the payload of its mutation: also of one that needs an approval."""
    if isinstance(outcome.result, ApprovalReceipt):
        payload = await _serialize_requested(context, outcome.result)
    else:
        assert isinstance(outcome.result, Receipt | Refusal)
        payload = {**await serialize_result(context, outcome.result), "approval": None}
    return {**payload, "replayed": outcome.replayed}


async def _serialize_requested(context: ResolverContext, requested: ApprovalReceipt) -> JsonObject:
    """Return a request for an approval as a payload, with its outcome if it is decided."""
    serialized, approval, receipt = await read_approval(context, requested.id)
    refusal = refusal_of(approval)
    result = receipt or refusal
    payload = await serialize_result(context, result) if result else _NOTHING_YET
    return {**payload, "approval": serialized}


async def serialize_result(
    context: ResolverContext, result: Receipt | Refusal, path: tuple[str, ...] = ("input",)
) -> JsonObject:
    """Return the receipt or the refusal of one posting as a payload. `path` is the place of its input."""
    if isinstance(result, Refusal):
        return {
            "transaction": None,
            "balanceAfter": None,
            "fee": None,
            "userErrors": serialize_user_errors(result, path),
        }
    # A deposit shows the balance of the account that receives it, every other posting that of the debited account.
    after_minor = (
        result.credit_balance_after_minor if result.kind == "DEPOSIT" else result.debit_balance_after_minor
    )  # fmt: skip
    return {
        "transaction": serialize_transaction(result, await context.decrypt([result.description], TRANSACTION_TEXT)),
        "balanceAfter": serialize_money(after_minor, result.currency),
        "fee": serialize_money(result.fee_minor, result.currency),
        "userErrors": [],
    }
