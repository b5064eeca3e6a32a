"""Digests: of a request's content, which a key is compared by; of a key's row and of texts, which events carry."""

import hashlib
import os
from uuid import UUID

import msgspec

# 128 bits: nobody tries all of them for one guessed text.
SALT_BYTES = 16
_NIL = bytes(16)


def request_digest(*content: object) -> bytes:
    """Return the SHA-256 of a request's content, given as values.

    It is made of the meaning, not of the spelling: white space, order of fields and "10.5" for "10.50" are no
    difference.
    """
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def salted_row_digest(
    *, caller_id: UUID, key: str, operation: str, digest: bytes, outcome: str, transaction_id: UUID | None
) -> tuple[bytes, str]:
    """Return a new salt for the row of a key, and the digest of the whole row in hex, which an event carries.

    `bank check` computes the same (`bank/invariants/state.sql`). No text of PostgreSQL's holds a zero byte, so that
    nothing can be moved from one column to the next.
    """
    salt = os.urandom(SALT_BYTES)
    ids = caller_id.bytes + (transaction_id.bytes if transaction_id else _NIL)
    texts = f"{operation}\0{key}\0{outcome}\0".encode()
    return salt, hashlib.sha256(salt + ids + texts + digest).hexdigest()


def salted_text_digest(text: str | None) -> tuple[bytes | None, str | None]:
    """Return a new salt for a text that people have written, and its digest with it in hex; for no text, neither."""
    if text is None:
        return None, None
    salt = os.urandom(SALT_BYTES)
    return salt, hashlib.sha256(salt + text.encode()).hexdigest()
