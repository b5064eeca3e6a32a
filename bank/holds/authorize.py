"""Authorization of a hold: reserve money on an account of the caller's, once per idempotency key (R12)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.identifiers import uuid7
from bank.ledger.model import Authorize, Command, Decide, Hold, LedgerView, Step
from bank.ledger.policy import (
    check_amount,
    check_description,
    check_limits,
    check_own_account,
    no_account_with_number,
    no_own_account,
)
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.refusal import Refusal
from bank.telemetry.context import current_context

# The longest validity that card schemes allow; a payment that is not captured by then is abandoned.
LIFE_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeHold:
    """Reserve `amount` (a decimal text) on an account of the caller's, for the owner of another account to capture."""

    caller_id: UUID
    key: str
    from_id: UUID
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    expires_at: datetime | None = None
    description: str | None = None


async def authorize_hold(ledger: Ledger, terms: Terms, command: AuthorizeHold) -> Outcome:
    """Reserve money, once per idempotency key. Raises the errors of `Ledger.post`."""
    amount_minor = (
        check_key(command.key)
        or check_own_account(command.from_id, "fromAccountId")
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )
    if isinstance(amount_minor, Refusal):
        return await InvalidRequest(ledger, "authorizeHold", command.caller_id, (command.from_id,)).refuse(amount_minor)
    digest = request_digest(
        str(command.from_id), command.to_number, amount_minor, command.currency, command.description, command.expires_at
    )
    command = replace(command, description=await ledger.encrypt_text(command.description, command.caller_id))
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="authorizeHold",
            digest=digest,
            account_ids=(command.from_id, command.to_id) if command.to_id else (command.from_id,),
            decide=(decide_authorization(command, amount_minor, terms),),
            context=current_context(),
        )
    )


def decide_authorization(command: AuthorizeHold, amount_minor: int, terms: Terms) -> Decide:
    """Return the decision on an authorization. Like a transfer, it counts against the limits of the account."""
    hold_id = uuid7()

    def decide(view: LedgerView) -> tuple[Step, ...] | Refusal:
        account = view.accounts.get(command.from_id)
        if account is None or account.user_id != command.caller_id:
            return no_own_account("fromAccountId")
        if command.to_id is None or command.to_id not in view.accounts:
            return no_account_with_number("toAccountNumber")
        if command.to_id == command.from_id:
            message = "Source and target are the same account."
            return Refusal(code="SAME_ACCOUNT", message=message, field=("input", "toAccountNumber"))
        expires_at = command.expires_at or view.now + terms.hold_life
        if not view.now < expires_at <= view.now + LIFE_MAX:
            message = f"A hold expires in the future, within {LIFE_MAX.days} days."
            return Refusal(code="INVALID_INPUT", message=message, field=("input", "expiresAt"))
        if refusal := check_limits(account, amount_minor, view.today, terms):
            return refusal
        hold = Hold(
            id=hold_id,
            account_id=account.id,
            to_account_id=command.to_id,
            amount_minor=amount_minor,
            currency=command.currency,
            description=command.description,
            status="AUTHORIZED",
            captured_minor=0,
            transaction_id=None,
            initiated_by=command.caller_id,
            expires_at=expires_at,
            created_at=view.now,
        )
        return (Authorize(hold),)

    return decide
