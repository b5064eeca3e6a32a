"""The master key wraps data keys, and makes digests to look up personal data by."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bank.encryption.master_key import MasterKey, WrongMasterKey

SECRET = "3f9ab0c7" * 8
KEY = bytes(range(32))


def test_a_wrapped_key_is_unwrapped() -> None:
    wrapped = MasterKey(SECRET).wrap(KEY, owner="ana")
    assert MasterKey(SECRET).unwrap(wrapped, owner="ana") == KEY
    assert KEY not in wrapped


def test_a_key_is_wrapped_differently_each_time() -> None:
    master_key = MasterKey(SECRET)
    assert master_key.wrap(KEY, owner="ana") != master_key.wrap(KEY, owner="ana")


def test_another_master_key_is_named_as_the_reason() -> None:
    wrapped = MasterKey(SECRET).wrap(KEY, owner="ana")
    with pytest.raises(WrongMasterKey, match=r"^The key of ana was wrapped by another master key than BANK_MASTER_KEY"):
        MasterKey("another " * 8).unwrap(wrapped, owner="ana")


def test_a_key_cannot_be_given_to_another_owner() -> None:
    wrapped = MasterKey(SECRET).wrap(KEY, owner="ana")
    with pytest.raises(WrongMasterKey, match="was changed"):
        MasterKey(SECRET).unwrap(wrapped, owner="bia")


@pytest.mark.parametrize("place", [4, 20, -1])
def test_a_changed_key_is_refused(place: int) -> None:
    wrapped = bytearray(MasterKey(SECRET).wrap(KEY, owner="ana"))
    wrapped[place] ^= 1
    with pytest.raises(WrongMasterKey, match="was changed"):
        MasterKey(SECRET).unwrap(bytes(wrapped), owner="ana")


def test_the_digest_for_look_ups_is_the_documented_hmac() -> None:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"look up personal data").derive(SECRET.encode())
    expected = hmac.new(key, b"email\0ana@example.com", hashlib.sha256).digest()
    assert MasterKey(SECRET).lookup_digest("email", "ana@example.com") == expected


def test_equal_texts_of_another_kind_have_another_digest() -> None:
    master_key = MasterKey(SECRET)
    assert master_key.lookup_digest("email", "1") != master_key.lookup_digest("cpf", "1")
