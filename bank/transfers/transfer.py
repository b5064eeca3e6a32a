"""Transfer: move money from an account of the caller's to any customer's account, once per key (R12)."""

from dataclasses import dataclass, replace
from uuid import UUID

from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command, Decide, LedgerView, Posting
from bank.ledger.policy import (
    FEE_ACCOUNTS,
    check_amount,
    check_description,
    check_limits,
    check_own_account,
    fee_for,
    no_account_with_number,
    no_own_account,
)
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTransfer:
    """Move `amount` (a decimal text) from an account of the caller's; `to_id` is None for an unknown number."""

    caller_id: UUID
    key: str
    from_id: UUID
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    description: str | None = None


async def submit_transfer(ledger: Ledger, terms: Terms, command: SubmitTransfer) -> Outcome:
    """Move money between two accounts, once per idempotency key.

    A request with invalid input is refused here, and its key stays unused. Every other request is decided by the
    ledger's batch, which stores the outcome under the key. Raises the errors of `Ledger.post`.
    """
    amount_minor = check_transfer(command)
    if isinstance(amount_minor, Refusal):
        return await InvalidRequest(ledger, "transfer", command.caller_id, (command.from_id,)).refuse(amount_minor)
    content = transfer_content(command, amount_minor)
    command = await encrypt_description(ledger, command)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="transfer",
            digest=request_digest(*content),
            account_ids=transfer_accounts(command, terms),
            decide=(decide_transfer(command, amount_minor, terms),),
            context=current_context(),
        )
    )


async def encrypt_description(ledger: Ledger, command: SubmitTransfer) -> SubmitTransfer:
    """Return a transfer with its description encrypted for the caller, who owns the debited account."""
    if not command.description:
        return command
    return replace(command, description=await ledger.encrypt_text(command.description, command.caller_id))


def check_transfer(command: SubmitTransfer) -> int | Refusal:
    """Return the amount in minor units, or the refusal of invalid input."""
    return (
        check_key(command.key)
        or check_own_account(command.from_id, "fromAccountId")
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )


def transfer_content(command: SubmitTransfer, amount_minor: int) -> tuple[object, ...]:
    """Return the fields that the digest of a transfer is made of."""
    return str(command.from_id), command.to_number, amount_minor, command.currency, command.description


def transfer_accounts(command: SubmitTransfer, terms: Terms) -> tuple[UUID, ...]:
    """Return the accounts that the ledger's batch has to lock."""
    accounts = (command.from_id, command.to_id) if command.to_id else (command.from_id,)
    return (*accounts, FEE_ACCOUNTS[command.currency]) if terms.transfer_fee_minor else accounts


def decide_transfer(command: SubmitTransfer, amount_minor: int, terms: Terms) -> Decide:
    """Return the decision on a transfer from an account of the caller's to any customer's account."""

    def decide(view: LedgerView) -> Posting | tuple[Posting, ...] | Refusal:
        accounts = view.accounts
        debit = accounts.get(command.from_id)
        if debit is None or debit.user_id != command.caller_id:
            return no_own_account("fromAccountId")
        if command.to_id is None or command.to_id not in accounts:
            return no_account_with_number("toAccountNumber")
        if command.to_id == command.from_id:
            message = "Source and target are the same account."
            return Refusal(code="SAME_ACCOUNT", message=message, field=("input", "toAccountNumber"))
        if refusal := check_limits(debit, amount_minor, view.today, terms):
            return refusal
        posting = Posting(
            kind="TRANSFER",
            debit_id=command.from_id,
            credit_id=command.to_id,
            amount_minor=amount_minor,
            currency=command.currency,
            description=command.description,
            counts_against_limit=True,
        )
        if not terms.transfer_fee_minor:
            return posting
        return posting, fee_for(posting, terms.transfer_fee_minor)

    return decide
