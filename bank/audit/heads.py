"""Signed heads of the audit chain, in a file outside of the database. They prove if the chain was rewritten.

The file has one JSON object a line; lines are appended and never changed. A line has the number and hash of the newest
audit row at that time, the hash of the line before, and an Ed25519 signature over the line without its signature.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from bank.audit.keys import PublicKeys, SigningKey
from bank.errors import BadInput

FIRST_PREVIOUS = "0" * 64
_SIGNATURE = b',"signature":"'
# A line has about 400 bytes, so that the last line is within this length.
_TAIL_BYTES = 4_096


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest audit row at a time. `previous` is SHA-256 of the line before, `key` the id of the signing key."""

    number: int
    event_position: int
    hash: str
    at: datetime
    previous: str
    key: str


class _Signed(Head, frozen=True, kw_only=True):
    signature: str


@dataclass(frozen=True, slots=True)
class LastLine:
    """The last head of a file, and the hash of its line, which is the next line's `previous`."""

    head: Head
    digest: str


@dataclass(frozen=True, slots=True)
class Heads:
    """The valid heads of a file, up to the first invalid line; `fault` describes that line."""

    heads: tuple[Head, ...]
    fault: str | None = None


def read_last(path: Path) -> LastLine | None:
    """Return the last complete line of a file, or None if it has none. Raises `BadInput` if the line is not a head."""
    try:
        with path.open("rb") as file:
            return _last_of(_tail(file.fileno())[0], path)
    except FileNotFoundError:
        return None


def append_head(
    path: Path, key: SigningKey, *, after: LastLine | None, number: int, event_position: int, hash_: bytes, at: datetime
) -> Head | None:
    """Sign a head, append it to the file, and wait until it is on the disk.

    Return None if `after` is no longer the last line, because another process has appended one.
    """
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        last_line, incomplete_bytes = _tail(descriptor)
        if _last_of(last_line, path) != after:
            return None
        if incomplete_bytes:
            # The machine crashed while it wrote this line. No caller has got it, so that it can be removed.
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - incomplete_bytes)
        head = Head(
            number=number,
            event_position=event_position,
            hash=hash_.hex(),
            at=at,
            previous=after.digest if after else FIRST_PREVIOUS,
            key=key.id,
        )
        content = msgspec.json.encode(head)
        os.write(descriptor, content[:-1] + _SIGNATURE + key.sign(content).encode() + b'"}\n')
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(path.parent)
    return head


def read_heads(path: Path, keys: PublicKeys) -> Heads:
    """Read a file of heads and verify every line: its form, its signature, and the hash of the line before.

    An incomplete last line is ignored, since a crash of the machine can leave one. Raises `BadInput` if the file cannot
    be read.
    """
    heads: list[Head] = []
    previous = FIRST_PREVIOUS
    try:
        for line_number, line in enumerate(_lines(path), start=1):
            head = _parse(line)
            fault = "is not a head" if head is None else _fault(head, line, keys, previous)
            if fault or head is None:
                return Heads(tuple(heads), f"line {line_number} of {path} {fault}")
            heads.append(head)
            previous = sha256(line).hexdigest()
    except OSError as error:
        raise BadInput(f"Cannot read {path}: {error.strerror}.") from None
    return Heads(tuple(heads))


def _fault(head: Head, line: bytes, keys: PublicKeys, previous: str) -> str | None:
    content, _, rest = line.rpartition(_SIGNATURE)
    if head.key not in keys.by_id:
        return f"is signed with key {head.key}, which is none of those given"
    if not keys.confirm(head.key, rest.removesuffix(b'"}').decode("ascii", "replace"), content + b"}"):
        return "does not bear out its signature: it has been changed"
    if head.previous != previous:
        return "does not follow from the line before: lines have been taken out, put in or moved"
    return None


def _parse(line: bytes) -> Head | None:
    try:
        return msgspec.json.decode(line, type=_Signed)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line[:-1]


def _tail(descriptor: int) -> tuple[bytes, int]:
    """Return the last complete line of an open file, and the number of bytes of an incomplete one after it."""
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    complete, _, incomplete = end.rpartition(b"\n")
    return complete.rpartition(b"\n")[2], len(incomplete)


def _last_of(line: bytes, path: Path) -> LastLine | None:
    if not line:
        return None
    head = _parse(line)
    if head is None:
        raise BadInput(f"The last line of {path} is not a signed head.")
    return LastLine(head, sha256(line).hexdigest())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
