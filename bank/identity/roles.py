"""Change of a user's role: from the command line, or as an approved request."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bank.events.leases import CHANNEL
from bank.events.types.users import UserRoleChangedEvent
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries
from bank.ledger.approval_policy import Approval
from bank.refusal import Refusal


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The old and the new role of a user; they may be the same."""

    old: str
    new: str


@retry_if_rolled_back
async def change_role(uow_factory: UnitOfWorkFactory, *, email: str, role: str) -> RoleChange | None:
    """Change the role of the user with this e-mail address; return None if there is no such user.

    The change has effect at once: the user's sessions are closed, because their tokens contain the old role, and the
    commit notifies every worker. The event updates the cache, so that `me` shows the new role.
    """
    async with uow_factory.begin() as uow:
        digest = uow_factory.cipher.lookup_digest("email", email)
        user = await queries.lock_role(uow.connection, email_digest=digest)
        if user is None:
            return None
        change = RoleChange(old=user["role"], new=role)
        if change.old != change.new:
            await _write(uow, user["id"], change, by=None)
            # This command delivers no events itself, so it wakes up the workers that do.
            uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}"))
    return change


async def change_approved_role(uow: UnitOfWork, approval: Approval) -> Sequence[UUID] | Refusal:
    """Make an approved change of a role in a unit of work; return the sessions that it has closed.

    The row of the user is locked. Refused if the role is not the one any more that the request was about.
    """
    assert approval.subject_id is not None
    assert approval.role is not None
    user = await queries.user_by_id(uow.connection, id=approval.subject_id)
    if user is None or user["role"] != approval.old_role:
        return Refusal(code="ROLE_CHANGED", message="The role has changed since the request.")
    change = RoleChange(old=user["role"], new=approval.role)
    return await _write(uow, approval.subject_id, change, by=approval.requested_by)


async def _write(uow: UnitOfWork, user_id: UUID, change: RoleChange, *, by: UUID | None) -> Sequence[UUID]:
    await queries.set_role(uow.connection, id=user_id, role=change.new, now=uow.now)
    uow.emit(UserRoleChangedEvent(subject_id=user_id, old_role=change.old, new_role=change.new, initiated_by=by))
    closed = [row["id"] async for row in queries.close_sessions_of(uow.connection, user_id=user_id, now=uow.now)]
    notify_closed_sessions(uow, closed)
    return closed
