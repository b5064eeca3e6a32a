"""Passwords: hashed with argon2id, in threads of their own, so that a login holds up nobody else."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's second recommendation: 19 MiB, two passes, one lane; about 45 ms of one core.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# More threads than cores only make each login slower; two keep a worker's memory for hashing under 40 MiB.
_THREADS = 2

# A tenth of the share of the event loop's thread, where both want the same core.
_NICENESS = 10

PASSWORD_MIN = 12
# argon2 takes any length, an attacker's megabytes too.
PASSWORD_MAX = 128
# A line of the most guessed beginnings is worth more than rules on digits and capitals (NIST SP 800-63B, 3.1.1.2).
_GUESSABLE = ("password", "12345678", "qwertyui", "abcdefgh", "senha123", "iloveyou", "brasil20", "11111111")


class Passwords:
    """Hashes and verifies passwords on a bounded number of threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2", initializer=_give_way)
        # Verified against where there is no user, so that both cases take as long.
        self._nobody = _HASHER.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the argon2id hash of a password."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _HASHER.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password; for no hash, takes as long and says no."""
        matches = await asyncio.get_running_loop().run_in_executor(
            self._threads, _matches, password_hash or self._nobody, password
        )
        return matches and password_hash is not None

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()


def _give_way() -> None:
    """Let the event loop go first where cores are scarce: hashing keeps a core busy, everybody else needs moments."""
    if sys.platform == "linux":
        # There a thread has a niceness of its own; a process may always be nicer.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def weakness_of(password: str, *, email: str, full_name: str) -> str | None:
    """Return why a password is too easy to guess, in one sentence, or None where it will do."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters."
    lowered = password.lower()
    if len(set(lowered)) < 5:
        return "The password repeats too few characters."
    if any(lowered.startswith(guess) for guess in _GUESSABLE):
        return "The password begins like one of the most guessed."
    personal = [email.split("@", maxsplit=1)[0].lower(), *full_name.lower().split()]
    if any(len(part) >= 4 and part in lowered and len(part) * 2 > len(lowered) for part in personal):
        return "The password is mostly your own name or address."
    return None
