"""Submit a transfer or a deposit, once per idempotency key (rule 12)."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import msgspec

from bank.ledger.batch import Command, Outcome
from bank.ledger.model import Decide, Refusal
from bank.ledger.post import Ledger
from bank.telemetry.context import current_context
from bank.transfers.policy import check_amount, check_description, check_key, decide_deposit, decide_transfer

# The bank's own accounts, made by the first migration.
CASH_ACCOUNTS = {"BRL": UUID("00000000-0000-7000-8000-000000000986")}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDeposit:
    """Put `amount` (a decimal text) from outside into an account; `to_id` is None for an unknown number."""

    caller_id: UUID
    key: str
    to_number: str
    to_id: UUID | None
    amount: str
    currency: str
    description: str | None = None


async def submit_transfer(ledger: Ledger, command: SubmitTransfer) -> Outcome:
    """Move money between two accounts, once per idempotency key.

    A request that is wrong in itself is refused here and burns no key; everything else is decided, and remembered,
    by the batch. Raises what `Ledger.post` raises.
    """
    amount_minor = _check(command)
    if isinstance(amount_minor, Refusal):
        return Outcome(amount_minor)
    decide = decide_transfer(
        caller_id=command.caller_id,
        from_id=command.from_id,
        to_id=command.to_id,
        amount_minor=amount_minor,
        currency=command.currency,
        description=command.description,
    )
    content = (str(command.from_id), command.to_number, amount_minor, command.currency, command.description)
    accounts = (command.from_id, command.to_id)
    return await _post(ledger, command, operation="transfer", content=content, account_ids=accounts, decide=decide)


async def submit_deposit(ledger: Ledger, command: SubmitDeposit) -> Outcome:
    """Put money from outside into an account, once per idempotency key. As `submit_transfer` in everything else."""
    amount_minor = _check(command)
    if isinstance(amount_minor, Refusal):
        return Outcome(amount_minor)
    cash_id = CASH_ACCOUNTS[command.currency]
    decide = decide_deposit(
        cash_id=cash_id,
        to_id=command.to_id,
        amount_minor=amount_minor,
        currency=command.currency,
        description=command.description,
    )
    content = (command.to_number, amount_minor, command.currency, command.description)
    accounts = (cash_id, command.to_id)
    return await _post(ledger, command, operation="deposit", content=content, account_ids=accounts, decide=decide)


def _check(command: SubmitTransfer | SubmitDeposit) -> int | Refusal:
    return (
        check_key(command.key)
        or check_description(command.description)
        or check_amount(command.amount, command.currency)
    )


async def _post(
    ledger: Ledger,
    command: SubmitTransfer | SubmitDeposit,
    *,
    operation: str,
    content: tuple[object, ...],
    account_ids: tuple[UUID | None, ...],
    decide: Decide,
) -> Outcome:
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation=operation,
            # The meaning, not the spelling: white space, order of fields and "10.5" for "10.50" make no difference.
            digest=hashlib.sha256(msgspec.json.encode(content)).digest(),
            account_ids=tuple(id_ for id_ in account_ids if id_ is not None),
            decide=decide,
            context=current_context(),
        )
    )
