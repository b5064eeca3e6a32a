"""Deposit: put money from outside into an account, once per idempotency key (R12)."""

from dataclasses import dataclass, replace
from uuid import UUID

from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.approvals import require_approval
from bank.ledger.model import Command, Decide, LedgerView, Posting
from bank.ledger.policy import CASH_ACCOUNTS, check_amount, check_description, no_account_with_number, own_account
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.refusal import Refusal
from bank.telemetry.context import current_context


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDeposit:
    """Put `amount` (a decimal text) from outside into an account; `to_id` is None for an unknown number.

    The description is encrypted for the owner of the account, `to_owner_id`.
    """

    caller_id: UUID
    key: str
    to_number: str
    to_id: UUID | None
    to_owner_id: UUID | None = None
    amount: str
    currency: str
    description: str | None = None


async def submit_deposit(ledger: Ledger, terms: Terms, command: SubmitDeposit) -> Outcome:
    """Put money from outside into an account, once per idempotency key. Works as `submit_transfer`.

    A large deposit waits for an approval instead.
    """
    account_ids = (command.to_id,) if command.to_id else ()
    amount_minor = (
        check_key(command.key)
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )  # fmt: skip
    if isinstance(amount_minor, Refusal):
        return await InvalidRequest(ledger, "deposit", command.caller_id, account_ids).refuse(amount_minor)
    digest = request_digest(command.to_number, amount_minor, command.currency, command.description)
    command = replace(command, description=await ledger.encrypt_text(command.description, command.to_owner_id))
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="deposit",
            digest=digest,
            account_ids=(*account_ids, CASH_ACCOUNTS[command.currency]),
            decide=(require_approval(decide_deposit(command, amount_minor), terms, caller_id=command.caller_id),),
            context=current_context(),
        )
    )


def decide_deposit(command: SubmitDeposit, amount_minor: int) -> Decide:
    """Return the decision on a deposit: a posting that debits the bank's cash account of the currency."""

    def decide(view: LedgerView) -> Posting | Refusal:
        if command.to_id is None or command.to_id not in view.accounts:
            return no_account_with_number("accountNumber")
        if view.accounts[command.to_id].user_id == command.caller_id:
            return own_account("accountNumber")
        return Posting(
            kind="DEPOSIT",
            debit_id=CASH_ACCOUNTS[command.currency],
            credit_id=command.to_id,
            amount_minor=amount_minor,
            currency=command.currency,
            description=command.description,
            credit_field="accountNumber",
        )

    return decide
