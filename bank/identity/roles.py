"""Give a user another role."""

from dataclasses import dataclass

from bank.events.leases import CHANNEL
from bank.events.types.users import UserRoleChangedEvent
from bank.events.work import Work, again_if_undone
from bank.identity.closing import tell_of_closed
from bank.identity.register import queries


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The role that a user had, and the one they have now; they may be the same."""

    old: str
    new: str


@again_if_undone
async def change_role(work: Work, *, email: str, role: str) -> RoleChange | None:
    """Give the user of an address another role; None where there is no such user.

    It counts at once: their sessions are closed, because the tokens of these say the old role, and every worker hears
    of that with the commit. The cache hears of the role by the event, so that `me` shows it.
    """
    async with work.begin() as uow:
        user = await queries.lock_role(uow.connection, email=email)
        if user is None:
            return None
        change = RoleChange(old=user["role"], new=role)
        if change.old != change.new:
            await queries.set_role(uow.connection, id=user["id"], role=role, now=uow.now)
            uow.emit(UserRoleChangedEvent(subject_id=user["id"], old_role=change.old, new_role=role))
            closed = queries.close_sessions_of(uow.connection, user_id=user["id"], now=uow.now)
            tell_of_closed(uow, [row["id"] async for row in closed])
            # This process delivers nothing; those that do hear of it at once.
            uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}"))
    return change
