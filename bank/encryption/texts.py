"""Encrypted texts: their format, encryption and decryption.

An encrypted text is `enc1.NUMBER.DATA`. `NUMBER` is the number of its data key. `DATA` is, in base64url without
padding, a nonce of 12 bytes and the output of AES-256-GCM, with `NUMBER` as the associated data. Texts from before
migration 0012 are stored as they are.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bank.encryption.master_key import NONCE_BYTES

_PREFIX = "enc1."
# The regular expression of an encrypted text.
ENCRYPTED_TEXT = r"enc1\.[0-9]+\.[A-Za-z0-9_-]+"


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key: its number in the database, and its cipher."""

    number: int
    cipher: AESGCM

    @classmethod
    def of_bytes(cls, number: int, key: bytes) -> "DataKey":
        """Return the key with this number, from its 32 bytes."""
        return cls(number, AESGCM(key))


class NotDecryptable(Exception):
    """An encrypted text was changed after it was encrypted."""


def encrypt_text(key: DataKey, text: str) -> str:
    """Return a text, encrypted. The same text gives another result each time."""
    nonce = os.urandom(NONCE_BYTES)
    data = nonce + key.cipher.encrypt(nonce, text.encode(), str(key.number).encode())
    return f"{_PREFIX}{key.number}.{urlsafe_b64encode(data).rstrip(b'=').decode()}"


def is_encrypted(text: str) -> bool:
    """Return whether a stored text is encrypted."""
    return text.startswith(_PREFIX)


def key_number_of(text: str) -> int | None:
    """Return the number of the key of a stored text, or None if it is not encrypted."""
    number, dot, _ = text.removeprefix(_PREFIX).partition(".")
    return int(number) if is_encrypted(text) and dot and number.isascii() and number.isdigit() else None


def decrypt_text(key: DataKey, text: str) -> str:
    """Return the plain text of an encrypted one. Raises `NotDecryptable` if it was changed."""
    data = text.rpartition(".")[2]
    try:
        raw = urlsafe_b64decode(data + "=" * (-len(data) % 4))
        return key.cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], str(key.number).encode()).decode()
    except (InvalidTag, ValueError):
        raise NotDecryptable(f"A text of key {key.number} was changed after it was encrypted.") from None
