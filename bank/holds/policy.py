"""Rules that captures and releases of a hold share, as functions of values (R3)."""

from uuid import UUID

from bank.ledger.model import Hold, LedgerView
from bank.ledger.policy import NIL_UUID, own_account
from bank.refusal import Refusal


def check_hold_id(hold_id: UUID) -> Refusal | None:
    """Return the refusal of an id that no hold can have, or None."""
    return no_hold() if hold_id == NIL_UUID else None


def no_hold() -> Refusal:
    """Return the refusal for a hold that does not exist or that the caller may not end; it does not show which."""
    message = "There is no hold with this id for you to end."
    return Refusal(code="HOLD_NOT_FOUND", message=message, field=("input", "holdId"))


def active_hold(view: LedgerView, hold_id: UUID, *, caller_id: UUID, owner_id: UUID | None) -> Hold | Refusal:
    """Return a hold that has not ended, or the refusal. `owner_id` owns the receiving account; None for staff."""
    hold = view.holds.get(hold_id)
    if hold is None or (owner_id is not None and view.accounts[hold.to_account_id].user_id != owner_id):
        return no_hold()
    payer_id, receiver_id = view.accounts[hold.account_id].user_id, view.accounts[hold.to_account_id].user_id
    if owner_id is None and payer_id == caller_id != receiver_id:
        return own_account("holdId")
    if hold.status == "AUTHORIZED" and hold.expires_at <= view.now:
        return Refusal(code="HOLD_ENDED", message="The hold has expired.", field=("input", "holdId"))
    if hold.status != "AUTHORIZED":
        message = f"The hold has been {hold.status.lower()}."
        return Refusal(code="HOLD_ENDED", message=message, field=("input", "holdId"))
    return hold
