"""Signing keys of the database: their rotation, and the loop that loads them into the keyring of every worker."""

import asyncio
import hashlib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from joserfc.jwk import OctKey

from bank.background import BackgroundLoop
from bank.cache.session_marks import CLOCK_SKEW_S
from bank.database.pool import Database
from bank.encryption.master_key import KEY_BYTES, MasterKey
from bank.events.leases import CHANNEL as LOG_CHANNEL
from bank.events.types.signing_keys import SigningKeyRotatedEvent
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.keyring import Keyring, SigningKey
from bank.identity.register import queries
from bank.identity.tokens import AccessTokens

logger = structlog.get_logger(__name__)

CHANNEL = "bank_signing_keys"
# A worker loads a new key when it is notified. If it misses the notification, it loads the key within this time, for
# one small read in ten seconds.
RELOAD_S = 10.0
_CLOCK_SKEW = timedelta(seconds=CLOCK_SKEW_S)
# Every worker has loaded a key before another one signs with it, also if their clocks differ.
PROPAGATION = _CLOCK_SKEW + timedelta(seconds=3 * RELOAD_S)


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A new key: it signs from `signs_from` on, and from `older_until` on older keys are not accepted any more."""

    id: UUID
    signs_from: datetime
    older_until: datetime


@retry_if_rolled_back
async def rotate_signing_key(
    uow_factory: UnitOfWorkFactory, master_key: MasterKey, *, token_life: timedelta, at_once: bool = False
) -> RotatedKey:
    """Make the key that signs the next access tokens.

    Older keys are accepted until the last token that they sign has expired. With `at_once`, for a key that has leaked,
    they are not accepted from now on: every session has to be refreshed.
    """
    key_id = uuid7()
    wrapped = master_key.wrap(os.urandom(KEY_BYTES), owner=_owner(key_id))
    async with uow_factory.begin() as uow:
        # A worker whose clock is behind must not go on with the older key either.
        signs_from = uow.now - _CLOCK_SKEW if at_once else uow.now + PROPAGATION
        older_until = signs_from if at_once else signs_from + _CLOCK_SKEW + token_life
        await queries.insert_signing_key(
            uow.connection, id=key_id, wrapped=wrapped, now=uow.now, signs_from=signs_from, older_until=older_until
        )
        uow.emit(
            SigningKeyRotatedEvent(
                key_id=key_id,
                signs_from=signs_from,
                older_until=older_until,
                wrapped_digest=hashlib.sha256(wrapped).hexdigest(),
            )
        )
        uow.before_commit(lambda connection: connection.execute(f"notify {CHANNEL}; notify {LOG_CHANNEL}"))
    return RotatedKey(key_id, signs_from, older_until)


class SigningKeys:
    """The signing keys of a database. `load` gives them to the access tokens; `loop` repeats this.

    `loaded` are the ids of the keys, in the order in which they were made.
    """

    def __init__(self, database: Database, master_key: MasterKey, tokens: AccessTokens, first: SigningKey) -> None:
        self._database = database
        self._master_key = master_key
        self._tokens = tokens
        self._first = first
        self.loaded: tuple[UUID, ...] = ()
        self.loop = BackgroundLoop(
            name="signing_keys",
            run_once=self.load,
            interval_s=RELOAD_S,
            wake_up=asyncio.Event(),
            begins_with_pause=True,
            failure="signing_keys_not_loaded",
        )

    async def load(self) -> None:
        """Load the keys, if there are others than before.

        Raises `WrongMasterKey` for a key of another master key, and the errors of `Database.connection`.
        """
        async with self._database.connection() as connection:
            rows = [row async for row in queries.signing_keys(connection)]
        ids = tuple(row["id"] for row in rows)
        if ids == self.loaded:
            return
        keys = [
            SigningKey(
                str(row["id"]),
                OctKey.import_key(self._master_key.unwrap(row["wrapped"], owner=_owner(row["id"]))),
                row["signs_from"],
                row["older_until"],
            )
            for row in rows
        ]
        self._tokens.use(Keyring(self._first, keys))
        self.loaded = ids
        logger.info("signing_keys_loaded", keys=len(keys))

    def receive(self, _pid: int, _payload: str) -> None:
        """Handle the notification of a rotation: load the keys now."""
        assert self.loop.wake_up is not None
        self.loop.wake_up.set()


def _owner(key_id: UUID) -> str:
    return f"signing key {key_id}"
