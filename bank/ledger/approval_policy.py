"""Approvals by a second member of staff (four eyes): their values, and who may decide them, without `await` (R3).

Such a request is decided once. In the transaction of the approval, what was asked for is executed or refused, so that
no approval is left without its effect (decision 0038).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bank.events.types.approvals import MONEY_KINDS
from bank.refusal import Refusal

STAFF = ("OPERATOR", "ADMIN")


class Approval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request of a member of staff, and the decision of another one, in the order of the columns of its row.

    `account_id` is the account that is credited by a deposit, debited by a withdrawal or a reversal, or limited.
    `original_id` is the transaction to reverse, `subject_id` the user whose role is to change. The old limits and the
    old role are those at the time of the request: the decision is about the change that the requester saw.
    """

    id: UUID
    kind: str
    account_id: UUID | None = None
    subject_id: UUID | None = None
    original_id: UUID | None = None
    amount_minor: int | None = None
    currency: str | None = None
    description: str | None = None
    transfer_limit_minor: int | None = None
    daily_limit_minor: int | None = None
    old_transfer_limit_minor: int | None = None
    old_daily_limit_minor: int | None = None
    role: str | None = None
    old_role: str | None = None
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    status: str = "PENDING"
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    transaction_id: UUID | None = None
    refusal_code: str | None = None
    refusal_message: str | None = None

    @property
    def moves_money(self) -> bool:
        """Return whether the approved request is a posting."""
        return self.kind in MONEY_KINDS


class RequestApproval(msgspec.Struct, frozen=True, gc=False):
    """The step that records a request instead of executing it."""

    approval: Approval


class EndApproval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The step that approves a request. Its postings are the next steps; with a refusal there are none."""

    approval_id: UUID
    refusal: Refusal | None = None


def check_decider(
    approval: Approval | None,
    *,
    decider_id: UUID,
    roles: Mapping[UUID, str],
    owner_ids: Collection[UUID | None],
    now: datetime,
) -> Refusal | None:
    """Return the refusal of a decider who may not decide a request, or None.

    `roles` has the current roles of requester and decider, `owner_ids` the owners of the accounts concerned.
    """
    if approval is None:
        return no_approval()
    role = roles.get(decider_id)
    if role not in STAFF:
        return _refusal("FORBIDDEN", "Only staff decide this.")
    if decider_id == approval.requested_by:
        return _refusal("OWN_REQUEST", "Another member of staff has to decide what you asked for.")
    if decider_id == approval.subject_id:
        return _refusal("OWN_REQUEST", "Another administrator has to decide about your role.")
    if decider_id in owner_ids:
        return _refusal("OWN_ACCOUNT", "Staff do not decide about their own accounts; somebody else has to.")
    if not approval.moves_money and role != "ADMIN":
        return _refusal("FORBIDDEN", "Only administrators decide about limits and roles.")
    if approval.status == "EXPIRED" or (approval.status == "PENDING" and approval.expires_at <= now):
        return _refusal("APPROVAL_EXPIRED", "The request has expired; it has to be made again.")
    if approval.status != "PENDING":
        return _refusal("ALREADY_DECIDED", f"The request has been {approval.status.lower()} already.")
    return None


def check_requester(approval: Approval, roles: Mapping[UUID, str]) -> Refusal | None:
    """Return the refusal of a request whose requester has lost the role for it, or None."""
    role = roles.get(approval.requested_by)
    if role in STAFF and (role == "ADMIN" or approval.kind != "ROLE"):
        return None
    return _refusal("REQUESTER_NOT_ALLOWED", "The member of staff who asked for it has lost the role for it.")


def no_approval() -> Refusal:
    """Return the refusal of an id that no approval has."""
    return _refusal("APPROVAL_NOT_FOUND", "There is no request with this identifier.")


def refusal_of(approval: Approval) -> Refusal | None:
    """Return why a decided request had no effect, or None."""
    if approval.refusal_code is not None:
        assert approval.refusal_message is not None
        return Refusal(code=approval.refusal_code, message=approval.refusal_message)
    if approval.status == "REJECTED":
        return Refusal(code="APPROVAL_REJECTED", message="Another member of staff has rejected the request.")
    if approval.status == "EXPIRED":
        return Refusal(code="APPROVAL_EXPIRED", message="Nobody has decided the request in time.")
    return None


def approved(
    approval: Approval, *, by: UUID, now: datetime, transaction_id: UUID | None = None, refusal: Refusal | None = None
) -> Approval:
    """Return a request after its approval, with the transaction or the refusal of its execution."""
    return msgspec.structs.replace(
        approval,
        status="APPROVED",
        decided_by=by,
        decided_at=now,
        transaction_id=transaction_id,
        refusal_code=refusal.code if refusal else None,
        refusal_message=refusal.message if refusal else None,
    )


def expired(approval: Approval, *, now: datetime) -> Approval:
    """Return a request that nobody has decided in time."""
    return msgspec.structs.replace(approval, status="EXPIRED", decided_at=now)


def _refusal(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message, field=("input", "approvalId"))


def shared_fields(approval: Approval) -> dict[str, Any]:
    """Return the fields that every event about an approval has."""
    return {
        "approval_id": approval.id,
        "kind": approval.kind,
        "account_id": approval.account_id,
        "subject_id": approval.subject_id,
    }
