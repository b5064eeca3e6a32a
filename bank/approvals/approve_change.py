"""Approval of a change of limits or of a role: decided and made in one unit of work (R1, R2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bank.accounts.administration import change_limits
from bank.approvals.reads import owners_of
from bank.events.types.audit import ActionRefusedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord, KeyTaken, find_record, replay, store_record
from bank.idempotency.outcomes import ApprovalReceipt, Outcome, encode_outcome
from bank.identity.roles import change_approved_role
from bank.ledger.approval_policy import Approval, approved, check_decider, check_requester
from bank.ledger.approvals import change_approval, lock_approvals
from bank.ledger.model import Account
from bank.refusal import Refusal

OPERATION = "approve"


@dataclass(frozen=True, slots=True)
class ApprovedChange:
    """The outcome of an approval, with what has to be written to the cache after it."""

    outcome: Outcome
    account: Account | None = None
    closed_sessions: Sequence[UUID] = ()


async def approve_change(
    uow_factory: UnitOfWorkFactory, approval_id: UUID, *, caller_id: UUID, key: str, digest: bytes
) -> ApprovedChange:
    """Approve and make a change, once per idempotency key. Raises the errors of `UnitOfWorkFactory.begin`."""
    try:
        return await _approve_once(uow_factory, approval_id, caller_id=caller_id, key=key, digest=digest)
    except KeyTaken:
        # Another request used the key after the look-up. The second look-up finds it.
        return await _approve_once(uow_factory, approval_id, caller_id=caller_id, key=key, digest=digest)


@retry_if_rolled_back
async def _approve_once(
    uow_factory: UnitOfWorkFactory, approval_id: UUID, *, caller_id: UUID, key: str, digest: bytes
) -> ApprovedChange:
    async with uow_factory.begin() as uow:
        if known := await find_record(uow.connection, caller_id=caller_id, key=key):
            return ApprovedChange(_replay(uow, known, digest, caller_id))
        approvals, roles = await lock_approvals(uow.connection, [approval_id], [caller_id])
        approval = approvals[approval_id]
        refusal = check_decider(
            approval,
            decider_id=caller_id,
            roles=roles,
            owner_ids=await owners_of(uow.connection, approval_id),
            now=uow.now,
        ) or check_requester(approval, roles)
        if refusal:
            record = IdempotencyRecord(OPERATION, digest, encode_outcome(refusal))
            uow.emit(
                refused_decision(OPERATION, approval, refusal, caller_id),
                key_digest=store_record(uow, record, caller_id=caller_id, key=key),
            )
            return ApprovedChange(Outcome(refusal))
        receipt = ApprovalReceipt(approval.id)
        record = IdempotencyRecord(OPERATION, digest, encode_outcome(receipt))
        row_digest = store_record(uow, record, caller_id=caller_id, key=key)
        changed = await _change(uow, approval)
        ended = approved(approval, by=caller_id, now=uow.now, refusal=changed if isinstance(changed, Refusal) else None)
        await change_approval(uow, ended, key_digest=row_digest)
    if isinstance(changed, Account):
        return ApprovedChange(Outcome(receipt), account=changed)
    return ApprovedChange(Outcome(receipt), closed_sessions=() if isinstance(changed, Refusal) else changed)


async def _change(uow: UnitOfWork, approval: Approval) -> Account | Sequence[UUID] | Refusal:
    if approval.kind == "ROLE":
        return await change_approved_role(uow, approval)
    return await change_limits(uow, approval)


def _replay(uow: UnitOfWork, known: IdempotencyRecord, digest: bytes, caller_id: UUID) -> Outcome:
    outcome = replay(known, OPERATION, digest)
    if outcome.result == KEY_REUSED:
        uow.emit(refused_decision(OPERATION, None, KEY_REUSED, caller_id))
    return outcome


def refused_decision(action: str, approval: Approval | None, refusal: Refusal, caller_id: UUID) -> ActionRefusedEvent:
    """Return the event of a refused decision: about the account or the user of the request."""
    account_id = approval.account_id if approval else None
    subject_id = approval.subject_id if approval else None
    return ActionRefusedEvent(
        action=action,
        code=refusal.code,
        entity_type="Account" if account_id else "User",
        entity_id=account_id or subject_id,
        initiated_by=caller_id,
    )
