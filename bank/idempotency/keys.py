"""Idempotency keys: one namespace for each caller, shared by all mutations (R12).

A key's row commits with its effect. The ledger's batch looks up and writes the keys of all its commands at once; a
unit of work looks up its own with `find_record` and writes it with `store_record`.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from bank.database.statements import load_statements
from bank.events.unit_of_work import UnitOfWork
from bank.idempotency.digests import salted_row_digest
from bank.idempotency.outcomes import Outcome, decode_outcome
from bank.refusal import Refusal

queries = load_statements(__file__)

KEYS_ARE_UNIQUE = "idempotency_keys_pkey"
# A UUID has 36 characters. Longer keys of several ids fit too, and rows of the index stay small.
KEY_MAX = 255
# The refusal of a key conflict: a key that was used before, with another request.
KEY_REUSED = Refusal(
    code="IDEMPOTENCY_KEY_REUSED",
    message="This idempotency key was used before, for something else; choose a new key for a new request.",
    field=("input", "idempotencyKey"),
)


class KeyTaken(Exception):
    """Another transaction stored the key between the look-up and the commit; the next look-up finds it."""


class IdempotencyRecord(msgspec.Struct, frozen=True):
    """A key that was used: the operation and the digest of its request, and the stored outcome as JSON."""

    operation: str
    request_digest: bytes
    outcome: str

    def matches(self, operation: str, request_digest: bytes) -> bool:
        """Return whether the key was used with this request, so that its outcome is the response."""
        return (self.operation, self.request_digest) == (operation, request_digest)


def check_key(key: str) -> Refusal | None:
    """Return the refusal of an idempotency key that is empty, too long or not printable, or None."""
    if 1 <= len(key) <= KEY_MAX and key.isprintable():
        return None
    return Refusal(
        code="INVALID_INPUT",
        message=f"An idempotency key has 1 to {KEY_MAX} printable characters.",
        field=("input", "idempotencyKey"),
    )


def replay(record: IdempotencyRecord, operation: str, request_digest: bytes) -> Outcome:
    """Return the stored outcome, marked as a replay, or `KEY_REUSED` if the key was used with another request.

    Raises the errors of `decode_outcome`.
    """
    if not record.matches(operation, request_digest):
        return Outcome(KEY_REUSED)
    return Outcome(decode_outcome(record.outcome), replayed=True)


async def find_records(
    connection: Any, used: Sequence[tuple[UUID | None, str]]
) -> dict[tuple[UUID | None, str | None], IdempotencyRecord]:
    """Return the records of those of the keys, each given with its caller, that were used before."""
    callers, keys = [caller for caller, _ in used], [key for _, key in used]
    return {
        used[row["place"] - 1]: IdempotencyRecord(row["operation"], row["request_digest"], row["outcome"])
        async for row in queries.find_keys(connection, callers=callers, keys=keys)
    }


async def find_record(connection: Any, *, caller_id: UUID, key: str) -> IdempotencyRecord | None:
    """Return the record of a caller's key, or None if the key was not used yet."""
    return (await find_records(connection, [(caller_id, key)])).get((caller_id, key))


def store_record(uow: UnitOfWork, record: IdempotencyRecord, *, caller_id: UUID, key: str) -> str:
    """Store a key's record at the end of the unit of work. Return the digest of the row, for one of its events.

    The unit of work raises `KeyTaken` if the key was used meanwhile. The row is written last, because every other
    transaction that writes the same key waits for this one, and this one must not wait for them.
    """
    salt, row_digest = salted_row_digest(
        caller_id=caller_id,
        key=key,
        operation=record.operation,
        digest=record.request_digest,
        outcome=record.outcome,
        transaction_id=None,
    )

    async def write(connection: Any) -> None:
        written = await queries.insert_key(
            connection,
            caller_id=caller_id,
            key=key,
            operation=record.operation,
            digest=record.request_digest,
            outcome=record.outcome,
            salt=salt,
            now=uow.now,
        )
        if not written:
            raise KeyTaken

    uow.before_commit(write)
    return row_digest
