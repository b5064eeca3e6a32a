"""Digests: of a request's content, to compare requests with one key; of a key's row and of texts, for events."""

import hashlib
import os
from uuid import UUID

import msgspec

# 128 bits are too many to try for a guessed text.
SALT_BYTES = 16
_NIL = bytes(16)


def request_digest(*content: object) -> bytes:
    """Return the SHA-256 of a request's content, given as values.

    It is made from parsed values, so that white space, the order of fields and "10.5" for "10.50" make no difference.
    """
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def salted_row_digest(
    *, caller_id: UUID, key: str, operation: str, digest: bytes, outcome: str, transaction_id: UUID | None
) -> tuple[bytes, str]:
    """Return a new salt for the row of a key, and the digest of the whole row in hex, for an event.

    `bank check` computes the same digest (`bank/invariants/state.sql`). Texts in PostgreSQL have no zero bytes, so that
    zero bytes separate the columns unambiguously.
    """
    salt = os.urandom(SALT_BYTES)
    ids = caller_id.bytes + (transaction_id.bytes if transaction_id else _NIL)
    texts = f"{operation}\0{key}\0{outcome}\0".encode()
    return salt, hashlib.sha256(salt + ids + texts + digest).hexdigest()


def salted_text_digest(text: str | None) -> tuple[bytes | None, str | None]:
    """Return a new salt for a personal text, and the salted digest of the text in hex; None for both without a text."""
    if text is None:
        return None, None
    salt = os.urandom(SALT_BYTES)
    return salt, hashlib.sha256(salt + text.encode()).hexdigest()
