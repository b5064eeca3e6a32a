"""Secrets of the settings: their sources, and the weak ones that are refused (OWASP ASVS 5.0, 13.3)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

# The settings that contain secrets, and their variables. Each can be read from a file instead, named by the variable
# with `_FILE` appended.
SECRETS = {
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "token_secret": "BANK_TOKEN_SECRET",
    "master_key": "BANK_MASTER_KEY",
}
# HMAC-SHA-256 is as strong as its key up to 32 bytes (RFC 7518, 3.2).
SECRET_BYTES_MIN = 32
# 64 random hexadecimal digits have fewer than 9 different ones once in a hundred million times.
_DIFFERENT_CHARACTERS_MIN = 9
# Words of examples and defaults. Base64 of random bytes contains one of them about once in a million times.
_PLACEHOLDER = re.compile(r"change.?me|secret|passw|example|default|placeholder|insecure", re.IGNORECASE)


class SecretError(Exception):
    """A secret cannot be read. The message names its variable and the reason."""


def weakness_of_secret(secret: str) -> str | None:
    """Return the reason why a secret is weak, as the end of a sentence about its variable; None for a strong one."""
    advice = "use randomness, for example from `openssl rand -hex 32`"
    if len(secret.encode()) < SECRET_BYTES_MIN:
        return f"must be at least {SECRET_BYTES_MIN} bytes of randomness, for example from `openssl rand -hex 32`"
    if len(set(secret)) < _DIFFERENT_CHARACTERS_MIN or _is_repetition(secret):
        return f"repeats itself; {advice}"
    if _PLACEHOLDER.search(secret):
        return f"is a placeholder; {advice}"
    return None


def _is_repetition(text: str) -> bool:
    """Return whether a text is a shorter text, repeated."""
    return text in (text + text)[1:-1]


def read_secret(variable: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return a secret from its variable, or from the file that `VARIABLE_FILE` names; None if neither is set.

    Raises `SecretError` if both are set, or if the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    value, path = environment.get(variable), environment.get(f"{variable}_FILE")
    if not path:
        return value
    if value:
        raise SecretError(f"{variable} and {variable}_FILE are both set; set one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SecretError(f"{variable}_FILE is wrong: {path} cannot be read: {reason}.") from None
