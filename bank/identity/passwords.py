"""Passwords: hashing and verification with argon2id, on separate threads, so that the event loop is not blocked."""

import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bank.identity.hashing import HashingThreads
from bank.identity.weakness import PASSWORD_MAX, PASSWORD_MIN, Person, weakness_of

# OWASP's second recommendation: 19 MiB, two passes, one lane. A hash takes about 45 ms of one core.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The length of a decomposed password: canonical decomposition makes at most four characters of one.
_DECOMPOSED_MAX = 4 * PASSWORD_MAX


@dataclass(frozen=True, slots=True)
class WeakPassword:
    """The reason why a password is refused, as a message for the user."""

    message: str


@dataclass(frozen=True, slots=True)
class PasswordMatch:
    """A password matches its hash. `new_hash` replaces a hash with older parameters; None for one with today's."""

    new_hash: str | None = None


class Passwords:
    """Hashing and verification of passwords on a bounded number of threads.

    Passwords are normalised first (NFC and plain spaces, as RFC 8265 defines), because keyboards encode the same text
    differently. The methods raise `Overloaded` if too many requests wait.
    """

    def __init__(self) -> None:
        self._threads = HashingThreads()
        # For an unknown address this hash is verified, so that the response takes as long as for a known one.
        self._dummy_hash = _HASHER.hash("nobody has this password")

    async def hash_new(self, password: str, person: Person, *, shortest: int = PASSWORD_MIN) -> str | WeakPassword:
        """Return the argon2id hash of a new password, or the reason why it is too weak."""

        async def prepare() -> Callable[[], str | WeakPassword]:
            return partial(_hash_new, password, person, shortest)

        hashed: str | WeakPassword = await self._threads.run(prepare, account=person.email)
        return hashed

    async def verify(
        self, find_hash: Callable[[], Awaitable[str | None]], password: str, *, account: str
    ) -> PasswordMatch | None:
        """Return the match if the password matches the hash, else None; without a hash, None after the same time."""
        has_user = False

        async def prepare() -> Callable[[], PasswordMatch | None]:
            nonlocal has_user
            password_hash = await find_hash()
            has_user = password_hash is not None
            return partial(_match, password_hash or self._dummy_hash, password)

        match: PasswordMatch | None = await self._threads.run(prepare, account=account)
        return match if has_user else None

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()


def normalise_password(password: str) -> str | None:
    """Return the normal form of a password, or None if it is not valid Unicode or too long."""
    if len(password) > _DECOMPOSED_MAX:
        return None
    composed = unicodedata.normalize("NFC", password)
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)
    if len(spaced) > PASSWORD_MAX or any("\ud800" <= character <= "\udfff" for character in spaced):
        return None
    return spaced


def _hash_new(password: str, person: Person, shortest: int) -> str | WeakPassword:
    normal = normalise_password(password)
    weakness = weakness_of(normal, person, shortest=shortest)
    if normal is None or weakness is not None:
        return WeakPassword(weakness or "")
    return _HASHER.hash(normal)


def _match(password_hash: str, password: str) -> PasswordMatch | None:
    normal = normalise_password(password)
    if normal is None:
        return None
    try:
        _HASHER.verify(password_hash, normal)
    except (VerificationError, InvalidHashError):
        return None
    return PasswordMatch(_HASHER.hash(normal) if _HASHER.check_needs_rehash(password_hash) else None)
