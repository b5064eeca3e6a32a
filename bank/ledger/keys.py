"""Idempotency keys: one namespace for each caller, whichever mutation a key is sent with (rule 12).

A key's row commits with its effect. The batch looks up and writes the keys of all its commands at once; a unit of work
looks its own up with `find_key` and writes it with `remember`.
"""

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from bank.database.statements import load_statements
from bank.events.work import UnitOfWork
from bank.ledger.model import Refusal

queries = load_statements(__file__)

KEYS_ARE_UNIQUE = "idempotency_keys_pkey"
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


async def find_key(connection: Any, *, caller_id: UUID, key: str) -> KnownKey | None:
    """Return what a caller's key stands for, or None where it was not used yet."""
    async for row in queries.find_keys(connection, callers=[caller_id], keys=[key]):
        return KnownKey(row["operation"], row["request_digest"], row["outcome"])
    return None


def remember(uow: UnitOfWork, known: KnownKey, *, caller_id: UUID, key: str) -> None:
    """Say what a key stands for, once the unit of work commits. Its end raises `KeyTaken` where the key was used.

    The row is the last to be written: whoever else writes the same key waits for us, and we must not wait for them.
    """

    async def write(connection: Any) -> None:
        written = await queries.insert_key(
            connection,
            caller_id=caller_id,
            key=key,
            operation=known.operation,
            digest=known.digest,
            outcome=known.outcome,
            now=uow.now,
        )
        if not written:
            raise KeyTaken

    uow.at_last(write)
