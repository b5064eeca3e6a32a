"""Known devices: a login returns a token of the device, and the next login sends it ("device cookie", OWASP).

The token opens nothing. It only says for which bucket a failed login counts, and shows that a device is not new.
"""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from bank.events.unit_of_work import UnitOfWork
from bank.identity.register import queries

# A device that was not used for half a year is a new one, as for access records (`contracts/retention.toml`).
DEVICE_LIFE = timedelta(days=183)
# More devices and browsers than a person has. Programs that log in without a token make a new device each time.
DEVICES_PER_USER_MAX = 20
# The bank's tokens have 43 characters.
_TOKEN_CHARACTERS_MAX = 128


def device_digest(token: str | None) -> bytes | None:
    """Return the digest under which the token of a device is stored; None for a text that is not one of the bank's."""
    if not token or len(token) > _TOKEN_CHARACTERS_MAX:
        return None
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def remember_device(uow: UnitOfWork, user_id: UUID, known_token: str | None) -> str:
    """Store the device of a login, and return its token: that of a known device again, or a new one.

    A known device keeps its token, so that a lost response makes it not unknown. The user must be locked. Beyond the
    limit, the devices that were used the longest ago are forgotten.
    """
    token = known_token or secrets.token_urlsafe(32)
    await queries.remember_device(uow.connection, digest=device_digest(token), user_id=user_id, now=uow.now)
    if known_token is None:
        await queries.forget_oldest_devices(uow.connection, user_id=user_id, keep=DEVICES_PER_USER_MAX)
    return token
