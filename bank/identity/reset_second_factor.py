"""Second factors by the bank's operators: the set-up for the first administrator, and the reset for a lost phone."""

from dataclasses import dataclass

from bank.encryption.texts import encrypt_text
from bank.events.leases import CHANNEL
from bank.events.unit_of_work import UnitOfWork, UnitOfWorkFactory, retry_if_rolled_back
from bank.identity.closing import notify_closed_sessions
from bank.identity.register import queries
from bank.identity.second_factor import SecondFactor, new_secret, otpauth_uri
from bank.identity.second_factor_codes import change_factor, draw_recovery_codes, find_factor


@dataclass(frozen=True, slots=True)
class SetUp:
    """A second factor that is in use: its secret, its URI for a QR code, and its recovery codes."""

    secret: str
    otpauth_uri: str
    recovery_codes: list[str]


@retry_if_rolled_back
async def set_up_second_factor(uow_factory: UnitOfWorkFactory, *, email: str) -> SetUp | None:
    """Give a user a new second factor, without a first code; return None if there is no such user.

    It replaces the user's second factor, and closes the user's sessions, since the user may have lost both.
    """
    cipher, secret = uow_factory.cipher, new_secret()
    async with uow_factory.begin() as uow:
        user = await queries.lock_role(uow.connection, email_digest=cipher.lookup_digest("email", email))
        if user is None:
            return None
        key = await cipher.key_for(user["id"], uow.connection)
        pending = SecondFactor(pending_secret=encrypt_text(key, secret), pending_since=uow.now)
        codes, digests = draw_recovery_codes(cipher)
        # No step was used yet.
        factor = pending.confirmed(now=uow.now, counter=0, recovery_digests=digests)
        await change_factor(uow, user["id"], factor, "CONFIRMED", by=None)
        await _close_sessions(uow, user["id"])
    return SetUp(secret, otpauth_uri(secret, email), codes)


@retry_if_rolled_back
async def reset_second_factor(uow_factory: UnitOfWorkFactory, *, email: str) -> bool | None:
    """Take a user's second factor away, and close their sessions.

    Return whether there was one, or None if there is no such user.
    """
    async with uow_factory.begin() as uow:
        digest = uow_factory.cipher.lookup_digest("email", email)
        user = await queries.lock_role(uow.connection, email_digest=digest)
        if user is None:
            return None
        found = await find_factor(uow, user["id"]) is not None
        if found:
            await change_factor(uow, user["id"], None, "RESET", by=None)
            await _close_sessions(uow, user["id"])
    return found


async def _close_sessions(uow: UnitOfWork, user_id: object) -> None:
    closed = queries.close_sessions_of(uow.connection, user_id=user_id, now=uow.now)
    notify_closed_sessions(uow, [row["id"] async for row in closed])
    # A command delivers no events itself, so it wakes up the workers that do.
    uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}"))
