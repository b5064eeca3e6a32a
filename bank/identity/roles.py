"""Change of a user's role."""

from dataclasses import dataclass

from bank.events.leases import CHANNEL
from bank.events.types.users import UserRoleChangedEvent
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries


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
            await queries.set_role(uow.connection, id=user["id"], role=role, now=uow.now)
            uow.emit(UserRoleChangedEvent(subject_id=user["id"], old_role=change.old, new_role=role))
            closed = queries.close_sessions_of(uow.connection, user_id=user["id"], now=uow.now)
            notify_closed_sessions(uow, [row["id"] async for row in closed])
            # This command delivers no events itself, so it wakes up the workers that do.
            uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}"))
    return change
