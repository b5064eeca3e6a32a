"""Request for a change of a user's role, which another administrator approves."""

from dataclasses import dataclass
from uuid import UUID

from bank.approvals.reads import queries
from bank.events.types.audit import ActionRefusedEvent
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.email_address import normalise_email
from bank.ledger.approval_policy import Approval
from bank.ledger.approvals import request_change
from bank.ledger.terms import Terms
from bank.refusal import Refusal

OPERATION = "changeRole"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRole:
    """Give the user with an e-mail address another role."""

    caller_id: UUID
    email: str
    role: str


@retry_if_rolled_back
async def request_role(uow_factory: UnitOfWorkFactory, terms: Terms, command: ChangeRole) -> Approval | Refusal | None:
    """Ask for a change of a role; return None if the user has this role already. A repeated request is the same one.

    Raises the errors of `UnitOfWorkFactory.begin`.
    """
    address = normalise_email(command.email)
    async with uow_factory.begin() as uow:
        user = None
        if address is not None:
            digest = uow_factory.cipher.lookup_digest("email", address)
            user = await queries.lock_user_with_email(uow.connection, email_digest=digest)
        result: Approval | Refusal | None
        if user is None:
            result = Refusal(code="USER_NOT_FOUND", message="There is no such user.", field=("input", "email"))
        elif user["role"] == command.role:
            return None
        elif command.role == "CUSTOMER" and not user["has_cpf"]:
            message = "This user has no CPF, which a customer needs."
            result = Refusal(code="INVALID_INPUT", message=message, field=("input", "role"))
        else:
            approval = Approval(
                id=uuid7(),
                kind="ROLE",
                subject_id=user["id"],
                role=command.role,
                old_role=user["role"],
                requested_by=command.caller_id,
                requested_at=uow.now,
                expires_at=uow.now + terms.approval_life,
            )
            result = await request_change(uow, approval, "email")
        if isinstance(result, Refusal):
            uow.emit(
                ActionRefusedEvent(
                    action=OPERATION,
                    code=result.code,
                    entity_type="User",
                    entity_id=user["id"] if user else None,
                    initiated_by=command.caller_id,
                )
            )
    return result
