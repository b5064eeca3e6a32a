"""Passwords: hashed with argon2id, in threads of their own, so that a login holds up nobody else."""

import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bank.identity.hashing import HashingThreads
from bank.identity.weakness import PASSWORD_MAX, Person, weakness_of

# OWASP's second recommendation: 19 MiB, two passes, one lane; about 45 ms of one core.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A password in its longest spelling: canonical decomposition makes at most four characters of one.
_SPELT_MAX = 4 * PASSWORD_MAX


@dataclass(frozen=True, slots=True)
class WeakPassword:
    """The reason why a password is refused, in one sentence."""

    message: str


class Passwords:
    """Hashes and verifies passwords on a bounded number of threads.

    A password is compared as the text that its owner typed: composed (NFC) and with plain spaces, as RFC 8265 has it,
    whichever way a keyboard spells them. Raises `Overloaded` where too many ask at once.
    """

    def __init__(self) -> None:
        self._threads = HashingThreads()
        # Verified against where there is no user, so that both cases take as long.
        self._nobody = _HASHER.hash("nobody has this password")

    async def choose(self, password: str, person: Person) -> str | WeakPassword:
        """Return the argon2id hash of a new password, or why it is too easy to guess."""

        async def prepare() -> Callable[[], str | WeakPassword]:
            return partial(_choose, password, person)

        chosen: str | WeakPassword = await self._threads.run(prepare, account=person.email)
        return chosen

    async def verify(self, find_hash: Callable[[], Awaitable[str | None]], password: str, *, account: str) -> bool:
        """Return whether this is the password of the hash; without a hash, take as long and return False."""
        is_somebodys = False

        async def prepare() -> Callable[[], bool]:
            nonlocal is_somebodys
            password_hash = await find_hash()
            is_somebodys = password_hash is not None
            return partial(_matches, password_hash or self._nobody, password)

        matches: bool = await self._threads.run(prepare, account=account)
        return matches and is_somebodys

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()


def normalise_password(password: str) -> str | None:
    """Return the one spelling of a password, or None where it is no text or longer than any."""
    if len(password) > _SPELT_MAX:
        return None
    composed = unicodedata.normalize("NFC", password)
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)
    if len(spaced) > PASSWORD_MAX or any("\ud800" <= character <= "\udfff" for character in spaced):
        return None
    return spaced


def _choose(password: str, person: Person) -> str | WeakPassword:
    normal = normalise_password(password)
    weakness = weakness_of(normal, person)
    if normal is None or weakness is not None:
        return WeakPassword(weakness or "")
    return _HASHER.hash(normal)


def _matches(password_hash: str, password: str) -> bool:
    normal = normalise_password(password)
    if normal is None:
        return False
    try:
        return _HASHER.verify(password_hash, normal)
    except (VerificationError, InvalidHashError):
        return False
