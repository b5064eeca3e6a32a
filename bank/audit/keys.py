"""The Ed25519 keys that sign the heads of the audit chain, as PEM files."""

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bank.errors import BadInput


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the id of its public key."""

    id: str
    private: Ed25519PrivateKey

    def sign(self, content: bytes) -> str:
        """Return the signature in base64."""
        return base64.b64encode(self.private.sign(content)).decode()


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The trusted public keys by id: the one in use, and the earlier ones."""

    by_id: Mapping[str, Ed25519PublicKey]

    def confirm(self, key_id: str, signature: str, content: bytes) -> bool:
        """Return whether a signature in base64 over the content is valid, by the trusted key with this id."""
        key = self.by_id.get(key_id)
        if key is None:
            return False
        try:
            key.verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True


def make_key(private: Path, public: Path) -> str:
    """Generate a pair of keys and return its id. Raises `BadInput` if a file exists already or cannot be written.

    The file of the private key is created readable for its owner alone.
    """
    key = Ed25519PrivateKey.generate()
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), mode=0o644)
    return _id_of(key.public_key())


def load_signing_key(path: Path) -> SigningKey:
    """Read a private key. Raises `BadInput` if the file has none, or if others than its owner may read it."""
    content = _read(path)
    if path.stat().st_mode & 0o077:
        raise BadInput(f"The audit key {path} can be read by others; `chmod 600 {path}` first.")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"{path} is not an Ed25519 private key in PEM; `bank audit keygen` makes one.")
    return SigningKey(_id_of(key.public_key()), key)


def load_public_keys(paths: Iterable[Path]) -> PublicKeys:
    """Read public keys. Raises `BadInput` for a file without one."""
    keys: dict[str, Ed25519PublicKey] = {}
    for path in paths:
        try:
            key = load_pem_public_key(_read(path))
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise BadInput(f"{path} is not an Ed25519 public key in PEM.")
        keys[_id_of(key)] = key
    return PublicKeys(keys)


def _id_of(key: Ed25519PublicKey) -> str:
    # 64 bits distinguish the few keys of a bank; the proof is the signature, not the id.
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"Cannot read {path}: {error.strerror}.") from None


def _write(path: Path, content: bytes, *, mode: int) -> None:
    try:
        # An existing key is never overwritten, because no further heads could be signed with it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except OSError as error:
        raise BadInput(f"Cannot make {path}: {error.strerror}.") from None
