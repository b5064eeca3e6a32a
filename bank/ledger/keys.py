"""Idempotency keys: one namespace for each caller, whichever mutation a key is sent with (R12).

A key's row commits with its effect. The batch looks up and writes the keys of all its commands at once; a unit of work
looks its own up with `find_key` and writes it with `remember`.
"""

import hashlib
import os
from typing import Any
from uuid import UUID

import msgspec

from bank.database.statements import load_statements
from bank.events.work import UnitOfWork
from bank.ledger.model import Refusal

queries = load_statements(__file__)

KEYS_ARE_UNIQUE = "idempotency_keys_pkey"
# 128 bits: nobody tries all of them for one guessed text.
SALT_BYTES = 16
_NIL = bytes(16)
KEY_REUSED = Refusal(
    code="IDEMPOTENCY_KEY_REUSED",
    message="This idempotency key was used before, for something else; choose a new key for a new request.",
    field=("input", "idempotencyKey"),
)


class KeyTaken(Exception):
    """Between our look and our commit the key was used for something else; who looks again sees it."""


class KnownKey(msgspec.Struct, frozen=True):
    """A key that has been used: for which operation and content, and what came of it, as JSON."""

    operation: str
    digest: bytes
    outcome: str

    def is_for(self, operation: str, digest: bytes) -> bool:
        """Return whether the key stands for this request, so that its outcome is the answer."""
        return (self.operation, self.digest) == (operation, digest)


def digest_of(*content: object) -> bytes:
    """Return what stands for a request's content.

    It is made of the meaning, not of the spelling: white space, order of fields and "10.5" for "10.50" are no
    difference.
    """
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def vouch_for(known: KnownKey, caller_id: UUID, key: str, transaction_id: UUID | None) -> tuple[bytes, str]:
    """Return a new salt for the row of a key, and the digest of all of the row, which an event is to tell.

    `bank check` computes the same (`bank/invariants/state.sql`). No text of PostgreSQL's holds a zero byte, so that
    nothing can be moved from one column to the next.
    """
    salt = os.urandom(SALT_BYTES)
    texts = f"{known.operation}\0{key}\0{known.outcome}\0".encode()
    ids = caller_id.bytes + (transaction_id.bytes if transaction_id else _NIL)
    return salt, hashlib.sha256(salt + ids + texts + known.digest).hexdigest()


def vouch_for_text(text: str | None) -> tuple[bytes | None, str | None]:
    """Return a new salt for a text that people have written, and its digest with it; for no text, neither."""
    if text is None:
        return None, None
    salt = os.urandom(SALT_BYTES)
    return salt, hashlib.sha256(salt + text.encode()).hexdigest()


async def find_key(connection: Any, *, caller_id: UUID, key: str) -> KnownKey | None:
    """Return what a caller's key stands for, or None where it was not used yet."""
    async for row in queries.find_keys(connection, callers=[caller_id], keys=[key]):
        return KnownKey(row["operation"], row["request_digest"], row["outcome"])
    return None


def remember(uow: UnitOfWork, known: KnownKey, *, caller_id: UUID, key: str) -> str:
    """Say what a key stands for, once the unit of work commits. Its end raises `KeyTaken` where the key was used.

    Returns the digest of the row, for one of the events to tell.

    The row is the last to be written: whoever else writes the same key waits for us, and we must not wait for them.
    """
    salt, vouched = vouch_for(known, caller_id, key, None)

    async def write(connection: Any) -> None:
        written = await queries.insert_key(
            connection,
            caller_id=caller_id,
            key=key,
            operation=known.operation,
            digest=known.digest,
            outcome=known.outcome,
            salt=salt,
            now=uow.now,
        )
        if not written:
            raise KeyTaken

    uow.before_commit(write)
    return vouched
