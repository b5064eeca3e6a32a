"""Reversal: a transaction that moves the money of an earlier one back, whole or in part, and refers to it (R12)."""

from dataclasses import dataclass, replace
from uuid import UUID

from bank.database.pool import Database
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.approvals import require_approval
from bank.ledger.model import Command, Decide, LedgerView, Posting
from bank.ledger.policy import NIL_UUID, check_amount, check_description, own_account
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.money import format_amount
from bank.refusal import Refusal
from bank.telemetry.context import current_context
from bank.transfers.reads import transaction_accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """Move back `amount` (a decimal text) in `currency`; without an amount, all that has not been reversed yet.

    `owner_id` is None for staff; otherwise the caller has to own the account that received the money.
    """

    caller_id: UUID
    owner_id: UUID | None
    key: str
    transaction_id: UUID
    amount: str | None
    currency: str | None
    reason: str | None = None


async def reverse(ledger: Ledger, database: Database, terms: Terms, command: Reverse) -> Outcome:
    """Reverse a transaction, once per idempotency key. The sum of its reversals never exceeds its amount.

    A large reversal by staff waits for an approval instead, except of money that they received themselves.

    Raises the errors of `Ledger.post`, and `Unavailable` or `Overloaded` if the transaction cannot be read.
    """
    invalid = InvalidRequest(ledger, "reverseTransaction", command.caller_id, ())
    if refusal := _check(command):
        return await invalid.refuse(refusal)
    amount_minor = None if command.amount is None else check_amount(command.amount, command.currency or "")
    if isinstance(amount_minor, Refusal):
        return await invalid.refuse(amount_minor)
    # The accounts of a transaction never change, so that they may be read before the batch.
    accounts, customer_id = await transaction_accounts(database, command.transaction_id)
    digest = request_digest(str(command.transaction_id), amount_minor, command.currency, command.reason)
    command = replace(command, reason=await ledger.encrypt_text(command.reason, customer_id))
    decide = decide_reversal(command, amount_minor)
    if command.owner_id is None:
        decide = require_approval(decide, terms, caller_id=command.caller_id, original_id=command.transaction_id)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="reverseTransaction",
            digest=digest,
            account_ids=accounts,
            original_ids=(command.transaction_id,),
            decide=(decide,),
            context=current_context(),
        )
    )


def decide_reversal(command: Reverse, amount_minor: int | None) -> Decide:
    """Return the decision on a reversal: a posting between the same accounts, in the other direction."""

    def decide(view: LedgerView) -> Posting | Refusal:
        original = view.originals.get(command.transaction_id)
        is_allowed = original is not None and (
            command.owner_id is None or view.accounts[original.credit_id].user_id == command.owner_id
        )
        if original is None or not is_allowed:
            return _no_transaction()
        credit, debit = view.accounts[original.credit_id], view.accounts[original.debit_id]
        if command.owner_id is None and debit.user_id == command.caller_id != credit.user_id:
            return own_account("transactionId")
        if original.kind == "REVERSAL":
            return _not_reversible("A reversal cannot be reversed.")
        left_minor = original.amount_minor - original.reversed_minor
        if left_minor == 0:
            return _not_reversible("The transaction has been reversed already.")
        if command.currency not in (None, original.currency):
            message = f"The transaction is in {original.currency}."
            return Refusal(code="CURRENCY_MISMATCH", message=message, field=("input", "amount", "currency"))
        if amount_minor is not None and amount_minor > left_minor:
            left = format_amount(left_minor, original.currency)
            message = f"Only {left} {original.currency} of the transaction can still be reversed."
            return Refusal(code="REVERSAL_EXCEEDS_ORIGINAL", message=message, field=("input", "amount", "amount"))
        return Posting(
            kind="REVERSAL",
            debit_id=original.credit_id,
            credit_id=original.debit_id,
            amount_minor=left_minor if amount_minor is None else amount_minor,
            currency=original.currency,
            description=command.reason,
            related_id=original.id,
            debit_field="transactionId",
            credit_field="transactionId",
            amount_field="transactionId" if command.amount is None else "amount",
        )

    return decide


def _check(command: Reverse) -> Refusal | None:
    if refusal := check_key(command.key):
        return refusal
    return _no_transaction() if command.transaction_id == NIL_UUID else check_description(command.reason, "reason")


def _no_transaction() -> Refusal:
    message = "There is no transaction with this id that you could reverse."
    return Refusal(code="TRANSACTION_NOT_FOUND", message=message, field=("input", "transactionId"))


def _not_reversible(message: str) -> Refusal:
    return Refusal(code="NOT_REVERSIBLE", message=message, field=("input", "transactionId"))
