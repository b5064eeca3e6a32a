"""Unlock: forget the failed logins of an account, so that its owner can log in without a delay."""

from bank.events.leases import CHANNEL
from bank.events.recorder import EventRecorder
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.sessions import LoginUnlockedEvent
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.identity.email_address import normalise_email
from bank.identity.failed_logins import subject_of
from bank.identity.register import queries
from bank.identity.tokens import Caller
from bank.refusal import Refusal

OWN_LOGIN = Refusal(
    code="OWN_ACCOUNT", message="Another member of staff has to unlock your login.", field=("input", "email")
)
INVALID_ADDRESS = Refusal(code="INVALID_INPUT", message="This is not an e-mail address.", field=("input", "email"))


async def unlock_login(
    uow_factory: UnitOfWorkFactory, recorder: EventRecorder, secret: str, email: str, *, by: Caller
) -> Refusal | None:
    """Forget the failed logins of an account, those from known devices too. `by` is the member of staff.

    The result does not say if the address belongs to a user; for one that does not, the event has a digest with the
    bank's `secret`. Nobody unlocks their own login: with a stolen session, a thief could then guess the password.
    """
    address = normalise_email(email)
    refusal = INVALID_ADDRESS if address is None else await _unlock(uow_factory, secret, address, by)
    if refusal is not None:
        await recorder.record(
            ActionRefusedEvent(
                action="unlockLogin",
                code=refusal.code,
                entity_type="User",
                entity_id=by.user_id,
                initiated_by=by.user_id,
            )
        )
    return refusal


@retry_if_rolled_back
async def unlock_known_login(uow_factory: UnitOfWorkFactory, address: str) -> bool:
    """Forget the failed logins of the user with this address, for a command. Return False if there is no such user."""
    async with uow_factory.begin() as uow:
        email_digest = uow_factory.cipher.lookup_digest("email", address)
        user_id = await queries.user_with_digest(uow.connection, email_digest=email_digest)
        if user_id is None:
            return False
        await queries.forget_failures_of(uow.connection, email_digest=email_digest, user_id=user_id)
        uow.emit(LoginUnlockedEvent(subject_id=user_id, address_digest=None, initiated_by=None))
        # This command delivers no events itself, so it wakes up the workers that do.
        uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}"))
    return True


@retry_if_rolled_back
async def _unlock(uow_factory: UnitOfWorkFactory, secret: str, address: str, by: Caller) -> Refusal | None:
    async with uow_factory.begin() as uow:
        email_digest = uow_factory.cipher.lookup_digest("email", address)
        user_id = await queries.user_with_digest(uow.connection, email_digest=email_digest)
        if user_id == by.user_id:
            return OWN_LOGIN
        await queries.forget_failures_of(uow.connection, email_digest=email_digest, user_id=user_id)
        subject = subject_of(secret, user_id, address)
        uow.emit(
            LoginUnlockedEvent(
                subject_id=subject.user_id, address_digest=subject.address_digest, initiated_by=by.user_id
            )
        )
    return None
