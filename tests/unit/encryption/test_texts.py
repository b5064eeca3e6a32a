"""Encrypted texts: their documented format, and what cannot be read."""

import os
from base64 import urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from bank.encryption.texts import DataKey, NotDecryptable, decrypt_text, encrypt_text, is_encrypted, key_number_of

RAW = os.urandom(32)
KEY = DataKey(7, AESGCM(RAW))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_text_is_decrypted_to_itself(text: str) -> None:
    encrypted = encrypt_text(KEY, text)
    assert decrypt_text(KEY, encrypted) == text
    assert is_encrypted(encrypted)
    assert key_number_of(encrypted) == 7


def test_the_format_is_the_documented_one() -> None:
    prefix, number, data = encrypt_text(KEY, "rent for May").split(".")
    raw = urlsafe_b64decode(data + "=" * (-len(data) % 4))
    assert (prefix, number) == ("enc1", "7")
    assert AESGCM(RAW).decrypt(raw[:12], raw[12:], b"7") == b"rent for May"


def test_equal_texts_are_encrypted_differently() -> None:
    assert encrypt_text(KEY, "rent") != encrypt_text(KEY, "rent")


@pytest.mark.parametrize("text", ["", "rent", "enc1", "enc1.", "enc1.x.AAAA", "enc2.7.AAAA", "enc1.7"])
def test_a_text_of_another_format_has_no_key(text: str) -> None:
    assert key_number_of(text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-2] + ("AA" if text[-2:] != "AA" else "BB"),
        lambda text: text[:-8],
        lambda text: "enc1.7.",
        lambda text: "enc1.7.é",
        lambda text: "enc1.7.AAAA",
    ],
)
def test_a_changed_text_is_not_decrypted(change: object) -> None:
    assert callable(change)
    with pytest.raises(NotDecryptable, match=r"^A text of key 7 was changed"):
        decrypt_text(KEY, change(encrypt_text(KEY, "rent for May")))


def test_a_text_is_not_decrypted_as_one_of_another_key() -> None:
    moved = encrypt_text(KEY, "rent").replace("enc1.7.", "enc1.8.")
    with pytest.raises(NotDecryptable):
        decrypt_text(DataKey(8, AESGCM(RAW)), moved)
