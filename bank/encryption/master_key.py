"""The master key: it wraps the data keys of the database, and makes the digests that personal data is looked up by."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bank.errors import OperatorError

KEY_BYTES = 32
NONCE_BYTES = 12
# Enough to tell the few master keys of a bank apart; it is no secret.
_FINGERPRINT_BYTES = 4


class WrongMasterKey(OperatorError):
    """A key was wrapped by another master key than the configured one, or its row was changed."""


class MasterKey:
    """The bank's master key, from a secret text of at least 32 random bytes.

    Each purpose has a key of its own, derived by HKDF-SHA-256 (RFC 5869) without a salt; `info` is the purpose.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._wrapping = AESGCM(self.derive("wrap data keys"))
        self._lookup = self.derive("look up personal data")
        self._fingerprint = hashlib.sha256(self.derive("fingerprint")).digest()[:_FINGERPRINT_BYTES]

    def derive(self, purpose: str) -> bytes:
        """Return the key of 32 bytes for a purpose."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._secret)

    def wrap(self, key: bytes, *, owner: str) -> bytes:
        """Return a key, encrypted by AES-256-GCM. `owner` is authenticated too, so that keys cannot be exchanged."""
        nonce = os.urandom(NONCE_BYTES)
        return self._fingerprint + nonce + self._wrapping.encrypt(nonce, key, owner.encode())

    def unwrap(self, wrapped: bytes, *, owner: str) -> bytes:
        """Return a wrapped key. Raises `WrongMasterKey` if this master key has not wrapped it for this owner."""
        fingerprint, nonce = wrapped[:_FINGERPRINT_BYTES], wrapped[_FINGERPRINT_BYTES:][:NONCE_BYTES]
        if fingerprint != self._fingerprint:
            raise WrongMasterKey(f"The key of {owner} was wrapped by another master key than BANK_MASTER_KEY.")
        try:
            return self._wrapping.decrypt(nonce, wrapped[_FINGERPRINT_BYTES + NONCE_BYTES :], owner.encode())
        except InvalidTag:
            raise WrongMasterKey(f"The key of {owner} was changed after it was wrapped.") from None

    def lookup_digest(self, kind: str, value: str) -> bytes:
        """Return the HMAC-SHA-256 that a value of this kind (`email`, `cpf`) is looked up by."""
        return hmac.new(self._lookup, f"{kind}\0{value}".encode(), hashlib.sha256).digest()
