"""Secrets come from the environment or from files, and weak ones are refused."""

import secrets
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.secrets import SecretError, read_secret, weakness_of_secret


@pytest.mark.parametrize(
    ("secret", "weakness"),
    [
        ("", "must be at least 32 bytes"),
        ("k" * 31, "must be at least 32 bytes"),
        ("k" * 64, "repeats itself"),
        ("abababab" * 8, "repeats itself"),
        ("0123456789abcdef" * 4, "repeats itself"),
        ("0123456789abcdef" * 2, "repeats itself"),
        ("please-change-me-before-you-deploy-this", "is a placeholder"),
        ("my-very-long-SECRET-for-the-bank-0815-x", "is a placeholder"),
        ("ChangeMe0123456789abcdefghijklmnopq", "is a placeholder"),
    ],
)
def test_a_weak_secret_is_refused_with_the_remedy(secret: str, weakness: str) -> None:
    sentence = weakness_of_secret(secret)
    assert sentence is not None
    assert sentence.startswith(weakness)
    assert "openssl rand -hex 32" in sentence
    assert not secret or secret not in sentence


@given(st.binary(min_size=32, max_size=32).map(lambda _: secrets.token_bytes(32)))
def test_random_secrets_are_strong_in_each_usual_encoding(random_bytes: bytes) -> None:
    assert weakness_of_secret(random_bytes.hex()) is None
    assert weakness_of_secret(b64encode(random_bytes).decode()) is None


def test_a_secret_comes_from_its_variable_or_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("from the file\n")
    assert read_secret("X", {"X": "from the variable"}) == "from the variable"
    assert read_secret("X", {"X_FILE": str(path)}) == "from the file"
    assert read_secret("X", {"X": "", "X_FILE": str(path)}) == "from the file"
    assert read_secret("X", {}) is None


def test_two_sources_of_a_secret_are_refused() -> None:
    with pytest.raises(SecretError, match=r"^X and X_FILE are both set; set one of them\.$"):
        read_secret("X", {"X": "a", "X_FILE": "b"})


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"^X_FILE is wrong: .*/none cannot be read: No such file or directory\.$"):
        read_secret("X", {"X_FILE": str(tmp_path / "none")})
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SecretError, match=r"cannot be read: it is no text\.$"):
        read_secret("X", {"X_FILE": str(binary)})
