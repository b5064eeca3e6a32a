"""Transfer batch: several transfers in one request, once per idempotency key (R12).

The batch is atomic (all transfers or none), or each transfer has its own outcome.
"""

from dataclasses import dataclass
from uuid import UUID

from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Command
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.refusal import Refusal
from bank.telemetry.context import current_context
from bank.transfers.transfer import (
    SubmitTransfer,
    check_transfer,
    decide_transfer,
    encrypt_description,
    transfer_accounts,
    transfer_content,
)

# All other postings wait while these are decided and written. A hundred take as long as one batch of single transfers.
TRANSFERS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTransferBatch:
    """Make several transfers: all or none, or each independently. The keys of the items are ignored."""

    caller_id: UUID
    key: str
    all_or_none: bool
    items: tuple[SubmitTransfer, ...]


async def submit_transfer_batch(ledger: Ledger, terms: Terms, command: SubmitTransferBatch) -> Outcome:
    """Make several transfers, once per idempotency key: all or none, or each with its own outcome.

    If the input of one item is invalid, the whole request is refused. Otherwise it works as `submit_transfer`.
    """
    invalid = InvalidRequest(ledger, "transferBatch", command.caller_id, ())
    if refusal := check_key(command.key):
        return await invalid.refuse(refusal)
    if not 1 <= len(command.items) <= TRANSFERS_MAX:
        message = f"A list has 1 to {TRANSFERS_MAX} transfers."
        return await invalid.refuse(Refusal(code="INVALID_INPUT", message=message, field=("input", "transfers")))
    amounts_minor: list[int] = []
    for index, item in enumerate(command.items):
        amount_minor = check_transfer(item)
        if isinstance(amount_minor, Refusal):
            field = ("input", "transfers", str(index), *(amount_minor.field or ())[1:])
            return await invalid.refuse(Refusal(code=amount_minor.code, message=amount_minor.message, field=field))
        amounts_minor.append(amount_minor)
    content = [transfer_content(item, minor) for item, minor in zip(command.items, amounts_minor, strict=True)]
    items = [await encrypt_description(ledger, item) for item in command.items]
    return await ledger.post(
        Command(
            caller_id=command.caller_id,
            key=command.key,
            operation="transferBatch",
            digest=request_digest(command.all_or_none, *content),
            account_ids=tuple(id_ for item in command.items for id_ in transfer_accounts(item, terms)),
            decide=tuple(decide_transfer(*item, terms) for item in zip(items, amounts_minor, strict=True)),
            is_bulk=True,
            all_or_none=command.all_or_none,
            context=current_context(),
        )
    )
