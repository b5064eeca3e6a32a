"""Rejection of a request: nothing of it is executed."""

from uuid import UUID

import msgspec

from bank.accounts.administration import REASON_MAX
from bank.approvals.approve_change import refused_decision
from bank.approvals.reads import owners_of
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.ledger.approval_policy import Approval, check_decider, no_approval
from bank.ledger.approvals import change_approval, lock_approvals
from bank.refusal import Refusal
from bank.text import is_readable

OPERATION = "reject"


async def reject(
    uow_factory: UnitOfWorkFactory, approval: Approval | None, *, caller_id: UUID, reason: str
) -> Approval | Refusal:
    """Reject a request that another member of staff made. Rejecting it again changes nothing.

    The reason is encrypted for the person whom the request is about. Raises the errors of `UnitOfWorkFactory.begin`.
    """
    if approval is None:
        return await _record(uow_factory, None, no_approval(), caller_id)
    if not is_readable(reason, longest=REASON_MAX):
        message = f"A reason has 1 to {REASON_MAX} characters that can be read."
        invalid = Refusal(code="INVALID_INPUT", message=message, field=("input", "reason"))
        return await _record(uow_factory, approval, invalid, caller_id)
    return await _reject(uow_factory, approval, caller_id=caller_id, reason=reason)


@retry_if_rolled_back
async def _record(
    uow_factory: UnitOfWorkFactory, approval: Approval | None, refusal: Refusal, caller_id: UUID
) -> Refusal:
    async with uow_factory.begin() as uow:
        uow.emit(refused_decision(OPERATION, approval, refusal, caller_id))
    return refusal


@retry_if_rolled_back
async def _reject(
    uow_factory: UnitOfWorkFactory, requested: Approval, *, caller_id: UUID, reason: str
) -> Approval | Refusal:
    async with uow_factory.begin() as uow:
        owners = await owners_of(uow.connection, requested.id)
        approvals, roles = await lock_approvals(uow.connection, [requested.id], [caller_id])
        approval = approvals[requested.id]
        if approval.status == "REJECTED" and approval.decided_by == caller_id:
            return approval
        refusal = check_decider(approval, decider_id=caller_id, roles=roles, owner_ids=owners, now=uow.now)
        if refusal:
            uow.emit(refused_decision(OPERATION, approval, refusal, caller_id))
            return refusal
        person = approval.subject_id or next((owner for owner in owners if owner), None)
        rejected = msgspec.structs.replace(
            approval,
            status="REJECTED",
            decided_by=caller_id,
            decided_at=uow.now,
            reason=await uow_factory.cipher.encrypt(reason, person, uow.connection),
        )
        await change_approval(uow, rejected)
    return rejected
