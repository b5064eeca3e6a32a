"""Requests that need an approval: the decision to ask for one, their rows and their events."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from bank.database.statements import load_statements
from bank.events.event import DomainEvent
from bank.events.types.approvals import (
    ApprovalApprovedEvent,
    ApprovalExpiredEvent,
    ApprovalRejectedEvent,
    ApprovalRequestedEvent,
)
from bank.events.unit_of_work import UnitOfWork
from bank.identifiers import uuid7
from bank.ledger.approval_policy import Approval, RequestApproval, expired, shared_fields
from bank.ledger.model import Decide, LedgerView, Posting, Step, check_postings
from bank.ledger.terms import Terms
from bank.refusal import Refusal

queries = load_statements(__file__)


def require_approval(decide: Decide, terms: Terms, *, caller_id: UUID, original_id: UUID | None = None) -> Decide:
    """Return a decision that asks for an approval if `decide` returns a large posting by staff for a customer.

    A posting that is not possible is refused at once. A posting that takes money of the caller's own account needs no
    approval: there, staff are customers.
    """
    approval_id = uuid7()

    def decide_or_request(view: LedgerView) -> Posting | tuple[Step, ...] | Refusal:
        decision = decide(view)
        if isinstance(decision, Refusal):
            return decision
        postings = postings_of(decision)
        main = postings[0]
        if main.amount_minor <= terms.approval_above_minor or view.accounts[main.debit_id].user_id == caller_id:
            return decision
        if refusal := check_postings(postings, view.accounts, view.today):
            return refusal
        approval = Approval(
            id=approval_id,
            kind=main.kind,
            account_id=main.credit_id if main.kind == "DEPOSIT" else main.debit_id,
            original_id=original_id,
            amount_minor=main.amount_minor,
            currency=main.currency,
            description=main.description or None,
            requested_by=caller_id,
            requested_at=view.now,
            expires_at=view.now + terms.approval_life,
        )
        return (RequestApproval(approval),)

    return decide_or_request


def postings_of(decision: Posting | tuple[Step, ...]) -> tuple[Posting, ...]:
    """Return the postings of a decision that has only postings."""
    steps = (decision,) if isinstance(decision, Posting) else decision
    return tuple(step for step in steps if isinstance(step, Posting))


def approval_event(approval: Approval) -> DomainEvent:
    """Return the event of the newest state of a request: requested, approved, rejected or expired."""
    fields = shared_fields(approval)
    if approval.status == "PENDING":
        names = ApprovalRequestedEvent.__struct_fields__
        values = {name: value for name, value in msgspec.structs.asdict(approval).items() if name in names}
        return ApprovalRequestedEvent(**{**values, **fields}, initiated_by=approval.requested_by)
    fields["requested_by"] = approval.requested_by
    if approval.status == "EXPIRED":
        return ApprovalExpiredEvent(**fields)
    assert approval.decided_by is not None, "only an expiry has no decider"
    fields["initiated_by"] = approval.decided_by
    if approval.status == "REJECTED":
        assert approval.reason is not None
        return ApprovalRejectedEvent(**fields, reason=approval.reason)
    return ApprovalApprovedEvent(
        **fields,
        transaction_id=approval.transaction_id,
        refusal_code=approval.refusal_code,
        refusal_message=approval.refusal_message,
    )


async def write_approvals(connection: Any, approvals: Iterable[Approval]) -> None:
    """Insert new requests, and write the decisions of others."""
    columns = zip(*(msgspec.structs.astuple(approval) for approval in approvals), strict=True)
    await queries.write_approvals(connection, **dict(zip(Approval.__struct_fields__, columns, strict=True)))


async def change_approval(uow: UnitOfWork, approval: Approval, *, key_digest: str | None = None) -> None:
    """Write the newest state of a request in a unit of work, and emit its event."""
    await write_approvals(uow.connection, [approval])
    uow.emit(approval_event(approval), key_digest=key_digest)


async def request_change(uow: UnitOfWork, approval: Approval, field: str) -> Approval | Refusal:
    """Record a request for a change of an account or a user, whose row the caller has locked.

    There is one request at a time. The same request by the same person returns the one that is pending; another one is
    refused, with `field` as the name of the input.
    """
    row = await queries.pending_change(
        uow.connection, kind=approval.kind, account_id=approval.account_id, subject_id=approval.subject_id
    )
    pending = Approval(**row) if row else None
    if pending is not None and pending.expires_at <= uow.now:
        # Nobody approves it any more, so that the lock cannot be part of a deadlock. The loop may have been first.
        locked = await queries.lock_pending(uow.connection, id=pending.id)
        if locked is not None:
            await change_approval(uow, expired(pending, now=uow.now))
        pending = None
    if pending is None:
        await change_approval(uow, approval)
        return approval
    if _content(pending) == _content(approval):
        return pending
    message = "Another change of the same waits for a decision; it has to be decided first."
    return Refusal(code="APPROVAL_PENDING", message=message, field=("input", field))


def _content(approval: Approval) -> dict[str, Any]:
    """Return what was asked for, and by whom."""
    own = {"id", "requested_at", "expires_at"}
    return {name: value for name, value in msgspec.structs.asdict(approval).items() if name not in own}


async def lock_approvals(
    connection: Any, ids: Sequence[UUID], decider_ids: Iterable[UUID]
) -> tuple[dict[UUID, Approval], dict[UUID, str]]:
    """Lock approvals and their people; return the approvals, and the current role of everybody."""
    approvals = {row["id"]: Approval(**row) async for row in queries.lock_approvals(connection, ids=list(ids))}
    people = {*decider_ids, *(approval.requested_by for approval in approvals.values())}
    people |= {approval.subject_id for approval in approvals.values() if approval.subject_id}
    roles = {row["id"]: row["role"] async for row in queries.lock_roles(connection, ids=list(people))}
    return approvals, roles
