"""Decryption of the stored texts, by the documented format and without the bank's code.

The format is in `docs/privacy.md`: `enc1.NUMBER.DATA`, where the key with this number is wrapped by the master key.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEYS = "select number, coalesce(person_id::text, day::text) as owner, wrapped from encryption_keys"
PREFIX = "enc1."


class Decryption:
    """The keys of a database, unwrapped with the master key of the run."""

    def __init__(self, master_key: str, rows: Iterable[Mapping[str, Any]]) -> None:
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"wrap data keys")
        wrapping = AESGCM(hkdf.derive(master_key.encode()))
        self._keys = {
            # Four bytes name the master key; the nonce follows.
            row["number"]: AESGCM(wrapping.decrypt(row["wrapped"][4:16], row["wrapped"][16:], row["owner"].encode()))
            for row in rows
            if row["wrapped"] is not None
        }

    def decrypt(self, value: Any) -> Any:
        """Return a value of a row with its encrypted texts decrypted, at any depth. A text without a key is None."""
        if isinstance(value, dict):
            return {name: self.decrypt(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.decrypt(inner) for inner in value]
        if isinstance(value, str) and value.startswith(PREFIX):
            return self._text(value)
        return value

    def _text(self, text: str) -> str | None:
        _, number, data = text.split(".")
        key = self._keys.get(int(number))
        if key is None:
            return None
        raw = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        return key.decrypt(raw[:12], raw[12:], number.encode()).decode()
