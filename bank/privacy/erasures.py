"""The register of erasures outside of the database: a file with one JSON object a line.

An older backup of the database brings back whom the bank has erased since. So each erasure is written here as well,
before it is acknowledged, and `bank serve` and `bank privacy reapply` erase these persons again. The file has only ids
and times.
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from bank.database.pool import Database
from bank.errors import Unavailable
from bank.privacy.fresh_login import queries

logger = structlog.get_logger(__name__)


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """An erased person, and the time of the erasure."""

    person_id: UUID
    erased_at: datetime


class RegisterUnusable(Unavailable):
    """The register of erasures cannot be written or read. Its text is for the operator, `message` for a client."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.message = "The register of erasures cannot be used at the moment; try again later."


class ErasureRegister:
    """The register of erasures in a file. Without a file it is empty, and an erasure is only logged as unregistered."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    async def append(self, erasures: Sequence[Erasure]) -> None:
        """Append erasures, and wait until they are on the disk. Raises `RegisterUnusable` if they cannot be written.

        Without erasures this only checks that the file can be written.
        """
        if self.path is not None:
            try:
                await asyncio.to_thread(_append, self.path, erasures)
            except RegisterUnusable as error:
                logger.error("erasures_not_registered", error=error)  # noqa: TRY400 - the error has no other cause
                raise
        elif erasures:
            logger.warning("erasure_not_registered", reason="BANK_ERASURES_FILE is not set")

    async def read(self) -> list[Erasure]:
        """Return every erasure; none without a file. Raises `RegisterUnusable` if the file has something else."""
        return await asyncio.to_thread(_read, self.path) if self.path is not None else []

    async def complete(self, database: Database) -> int:
        """Append the erasures of the database that are missing in the file; return their number.

        A process that is killed between the commit and `append` leaves one.
        """
        if self.path is None:
            return 0
        known = {erasure.person_id for erasure in await self.read()}
        async with database.connection() as connection:
            rows = [row async for row in queries.erased_users(connection)]
        missing = [Erasure(person_id=row["id"], erased_at=row["erased_at"]) for row in rows if row["id"] not in known]
        await self.append(missing)
        return len(missing)


def _append(path: Path, erasures: Sequence[Erasure]) -> None:
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            # A line that a crash of the machine has cut off was not acknowledged, and ends here.
            text = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
            text += b"".join(msgspec.json.encode(erasure) + b"\n" for erasure in erasures)
            if os.write(descriptor, text) < len(text):
                raise OSError(errno.ENOSPC, "only a part of a line was written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise RegisterUnusable(f"The register of erasures {path} cannot be written: {error.strerror}.") from error


def _read(path: Path) -> list[Erasure]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RegisterUnusable(f"The register of erasures {path} cannot be read: {error.strerror}.") from error
    erasures = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            erasures.append(msgspec.json.decode(line, type=Erasure))
        except msgspec.DecodeError as error:
            if b"}" not in line:
                continue  # cut off by a crash of the machine
            raise RegisterUnusable(f"Line {number} of the register of erasures {path} is no erasure.") from error
    return erasures


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
