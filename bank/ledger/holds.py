"""The holds that a batch authorizes or ends: their new values, events and receipts."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.events.event import DomainEvent
from bank.events.types.holds import HoldAuthorizedEvent, HoldCapturedEvent, HoldExpiredEvent, HoldReleasedEvent
from bank.idempotency.digests import salted_text_digest
from bank.idempotency.outcomes import HoldReceipt, Receipt
from bank.ledger.model import Accounts, Authorize, EndHold, Hold


def hold_id_of(step: Authorize | EndHold) -> UUID:
    """Return the id of the hold that a step authorizes or ends."""
    return step.hold.id if isinstance(step, Authorize) else step.hold_id


def salted_hold(hold: Hold) -> tuple[Hold, str | None]:
    """Return a new hold with the salt of its description, and the digest of both for its event."""
    salt, description_digest = salted_text_digest(hold.description)
    return msgspec.structs.replace(hold, salt=salt) if salt else hold, description_digest


def ended_hold(hold: Hold, step: EndHold, *, transaction_id: UUID | None, now: datetime) -> Hold:
    """Return a hold after its end. `transaction_id` is the transaction of its capture."""
    return msgspec.structs.replace(
        hold, status=step.status, captured_minor=step.captured_minor, transaction_id=transaction_id, ended_at=now
    )


def hold_event(hold: Hold, initiated_by: UUID | None, description_digest: str | None = None) -> DomainEvent:
    """Return the event of a hold's new status: authorized, captured, released or expired."""
    fields: dict[str, Any] = {"hold_id": hold.id, "account_id": hold.account_id, "currency": hold.currency}
    if hold.status == "EXPIRED":
        return HoldExpiredEvent(**fields, amount_minor=hold.amount_minor)
    assert initiated_by is not None, "only the expiry of a hold has no caller"
    fields["initiated_by"] = initiated_by
    if hold.status == "AUTHORIZED":
        return HoldAuthorizedEvent(
            **fields,
            to_account_id=hold.to_account_id,
            amount_minor=hold.amount_minor,
            expires_at=hold.expires_at,
            description_digest=description_digest,
        )
    if hold.status == "RELEASED":
        return HoldReleasedEvent(**fields, amount_minor=hold.amount_minor)
    assert hold.transaction_id is not None
    return HoldCapturedEvent(
        **fields,
        transaction_id=hold.transaction_id,
        captured_minor=hold.captured_minor,
        released_minor=hold.amount_minor - hold.captured_minor,
    )


def hold_receipt(hold: Hold, accounts: Accounts, receipt: Receipt | None) -> HoldReceipt:
    """Return the receipt of a hold with its accounts after the command. `receipt` is that of its capture."""
    debit, credit = accounts[hold.account_id], accounts[hold.to_account_id]
    return HoldReceipt(
        id=hold.id,
        status=hold.status,
        amount_minor=hold.amount_minor,
        captured_minor=hold.captured_minor,
        currency=hold.currency,
        debit_number=debit.number,
        credit_number=credit.number,
        description=hold.description,
        expires_at=hold.expires_at,
        created_at=hold.created_at,
        available_after_minor=debit.available_minor,
        receipt=receipt,
    )
