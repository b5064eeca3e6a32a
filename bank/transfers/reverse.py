"""Reverse a transaction, whole or in part: a transaction of its own, the other way round, that names its original."""

from dataclasses import dataclass
from uuid import UUID

from bank.database.pool import Database
from bank.ledger.command import Command, Outcome
from bank.ledger.keys import digest_of
from bank.ledger.model import Books, Decide, Posting, Refusal
from bank.ledger.post import Ledger
from bank.money import format_amount
from bank.telemetry.context import current_context
from bank.transfers.policy import NOTHING, check_amount, check_description, check_key
from bank.transfers.reads import sides_of
from bank.transfers.submit import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """Give money back: `amount` (a decimal text) in `currency`, or all that has not been reversed yet.

    `owner_id` is None where staff asks; otherwise only who has received the money may give it back.
    """

    caller_id: UUID
    owner_id: UUID | None
    key: str
    transaction_id: UUID
    amount: str | None
    currency: str | None
    reason: str | None = None


async def reverse(ledger: Ledger, database: Database, command: Reverse) -> Outcome:
    """Reverse a transaction, once per idempotency key. The sum of its reversals never exceeds it.

    Raises what `Ledger.post` raises, and `Unavailable` or `Overloaded` while looking for the transaction.
    """
    refused = Refused(ledger, "reverseTransaction", command.caller_id, ())
    if refusal := _check(command):
        return await refused(refusal)
    amount_minor = None if command.amount is None else check_amount(command.amount, command.currency or "")
    if isinstance(amount_minor, Refusal):
        return await refused(amount_minor)
    # A transaction never changes, so that it may be looked at before the batch; what is left of it, the batch knows.
    sides = await sides_of(database, command.transaction_id)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="reverseTransaction",
            digest=digest_of(str(command.transaction_id), amount_minor, command.currency, command.reason),
            account_ids=sides,
            original_ids=(command.transaction_id,),
            decide=(_decide(command, amount_minor),),
            context=current_context(),
        )
    )


def _decide(command: Reverse, amount_minor: int | None) -> Decide:
    """Return the decision on a reversal."""

    def decide(books: Books) -> Posting | Refusal:
        original = books.originals.get(command.transaction_id)
        seen = original is not None and (
            command.owner_id is None or books.accounts[original.credit_id].user_id == command.owner_id
        )
        if original is None or not seen:
            return _no_transaction()
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
    return _no_transaction() if command.transaction_id == NOTHING else check_description(command.reason, "reason")


def _no_transaction() -> Refusal:
    message = "There is no transaction with this id that you could reverse."
    return Refusal(code="TRANSACTION_NOT_FOUND", message=message, field=("input", "transactionId"))


def _not_reversible(message: str) -> Refusal:
    return Refusal(code="NOT_REVERSIBLE", message=message, field=("input", "transactionId"))
