"""The parts of the bank that a command uses to change something, with events like those of a worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bank.cli.encryption import cipher_for
from bank.cli.log import open_database
from bank.clock import Clock, SystemClock
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.events.bus import Bus
from bank.events.origins import EventOrigins
from bank.events.recorder import EventRecorder
from bank.events.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class CommandParts:
    """The parts of the bank for a command. The bank's workers deliver its events, which they read from the log."""

    database: Database
    clock: Clock
    cipher: PersonalTextCipher
    uow_factory: UnitOfWorkFactory
    recorder: EventRecorder


@asynccontextmanager
async def open_parts(url: str | None) -> AsyncIterator[CommandParts]:
    """Connect to the database, and yield the parts.

    Raises `WrongMasterKey` for the master key of another database, and the errors of `cipher_for` and `open_database`.
    """
    async with open_database(url) as database:
        clock = SystemClock()
        cipher = cipher_for(database, clock)
        await cipher.keys.require_master_key()
        uow_factory = UnitOfWorkFactory(database, Bus(), clock, EventOrigins(cipher))
        yield CommandParts(database, clock, cipher, uow_factory, EventRecorder(uow_factory))
