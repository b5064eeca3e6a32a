"""Withdrawal: take money out of the bank, once per idempotency key (R12)."""

from dataclasses import dataclass, replace
from uuid import UUID

from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.approvals import require_approval
from bank.ledger.model import Command, Decide, LedgerView, Posting
from bank.ledger.policy import (
    CASH_ACCOUNTS,
    FEE_ACCOUNTS,
    check_amount,
    check_description,
    check_limits,
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
class SubmitWithdrawal:
    """Take `amount` (a decimal text) out of the bank. `owner_id` is None if staff pays it out for the owner.

    The description is encrypted for the owner of the account, `from_owner_id`.
    """

    caller_id: UUID
    owner_id: UUID | None
    key: str
    from_number: str
    from_id: UUID | None
    from_owner_id: UUID | None = None
    amount: str
    currency: str
    description: str | None = None


async def submit_withdrawal(ledger: Ledger, terms: Terms, command: SubmitWithdrawal) -> Outcome:
    """Take money out of the bank, once per idempotency key. Works as `submit_transfer`.

    A large withdrawal by staff for a customer waits for an approval instead.
    """
    account_ids = (command.from_id,) if command.from_id else ()
    amount_minor = (
        check_key(command.key)
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )  # fmt: skip
    if isinstance(amount_minor, Refusal):
        return await InvalidRequest(ledger, "withdraw", command.caller_id, account_ids).refuse(amount_minor)
    digest = request_digest(command.from_number, amount_minor, command.currency, command.description)
    command = replace(command, description=await ledger.encrypt_text(command.description, command.from_owner_id))
    decide = decide_withdrawal(command, amount_minor, terms)
    if command.owner_id is None:
        decide = require_approval(decide, terms, caller_id=command.caller_id)
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="withdraw",
            digest=digest,
            account_ids=(*account_ids, CASH_ACCOUNTS[command.currency], FEE_ACCOUNTS[command.currency]),
            decide=(decide,),
            context=current_context(),
        )
    )


def decide_withdrawal(command: SubmitWithdrawal, amount_minor: int, terms: Terms) -> Decide:
    """Return the decision on a withdrawal: a posting that credits the bank's cash account of the currency."""

    def decide(view: LedgerView) -> Posting | tuple[Posting, ...] | Refusal:
        debit = view.accounts.get(command.from_id) if command.from_id else None
        if command.owner_id is not None and (debit is None or debit.user_id != command.owner_id):
            return no_own_account("accountNumber")
        if debit is None:
            return no_account_with_number("accountNumber")
        if refusal := check_limits(debit, amount_minor, view.today, terms):
            return refusal
        posting = Posting(
            kind="WITHDRAWAL",
            debit_id=debit.id,
            credit_id=CASH_ACCOUNTS[command.currency],
            amount_minor=amount_minor,
            currency=command.currency,
            description=command.description,
            counts_against_limit=True,
            debit_field="accountNumber",
        )
        if not terms.withdrawal_fee_minor:
            return posting
        return posting, fee_for(posting, terms.withdrawal_fee_minor)

    return decide
