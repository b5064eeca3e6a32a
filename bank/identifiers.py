"""Identifiers: UUIDv7 for rows, and account numbers with a check digit in the Brazilian format."""

import os
import re
import struct
import time
from threading import Lock
from uuid import UUID

# The driver's subclass of `uuid.UUID`, which is created, hashed, compared and sent in a fraction of the time
# (measured).
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811 - an acronym, not a constant

# RFC 9562 section 6.2, method 1, in the layout CPython 3.14 uses: 48 bits of milliseconds, a 42-bit counter (12 bits
# before the variant, 30 after it) that starts anew, at random, each millisecond with its top bit clear, 32 random bits.
_COUNTER_START_BITS = 41
_COUNTER_MAX = 2**42 - 1
_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)

_lock = Lock()
_last_ms = -1
_counter = 0


def uuid7() -> UUID:
    """Return a new UUIDv7 (RFC 9562), greater than every earlier one of this process.

    If the wall clock is set back, the last millisecond is used until the clock has reached it again.
    """
    global _last_ms, _counter  # noqa: PLW0603 - the order holds for the process, so its memory is the process's
    now_ms = time.time_ns() // 1_000_000
    entropy = int.from_bytes(os.urandom(10), "big")
    with _lock:
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = (entropy >> 32) & (2**_COUNTER_START_BITS - 1)
        elif _counter < _COUNTER_MAX:
            _counter += 1
        else:
            # Only after 2**41 ids in one millisecond, which no machine makes. The ids stay in order.
            _last_ms += 1
            _counter = (entropy >> 32) & (2**_COUNTER_START_BITS - 1)
        milliseconds, counter = _last_ms, _counter
    value = (milliseconds & (2**48 - 1)) << 80
    value |= (counter >> 30) << 64
    value |= (counter & (2**30 - 1)) << 32
    value |= entropy & (2**32 - 1)
    made: UUID = DriverUUID((value | _VERSION_AND_VARIANT).to_bytes(16, "big"))
    return made


def uuid7s(count: int) -> list[UUID]:
    """Return `count` new UUIDv7, in order. They share one read of clock and randomness, which makes them cheaper."""
    global _last_ms, _counter  # noqa: PLW0603 - as above
    now_ms = time.time_ns() // 1_000_000
    entropy = os.urandom(4 * count + 6)
    with _lock:
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = int.from_bytes(entropy[-6:], "big") & (2**_COUNTER_START_BITS - 1)
        first = _counter + 1
        # The counter cannot overflow, as above.
        _counter += count
        milliseconds = _last_ms
    prefix = ((milliseconds & (2**48 - 1)) << 80) | _VERSION_AND_VARIANT
    tails = struct.unpack_from(f">{count}I", entropy)
    return [
        DriverUUID((prefix | (counter >> 30 << 64) | ((counter & (2**30 - 1)) << 32) | tail).to_bytes(16, "big"))
        for counter, tail in enumerate(tails, start=first)
    ]


def read_uuid(text: str) -> UUID:
    """Return the UUID in a text. Raises ValueError for any other text."""
    read: UUID = DriverUUID(text)
    return read


BRANCH_MAX = 9_999  # four digits, as Brazilian branches (agências) have
SEQUENCE_MAX = 99_999_999  # eight digits: a hundred million accounts a branch

# The weights of the branch's four digits and the number's eight, from left to right: the usual 2 to 9, repeated from
# the right. The check digit has weight 1. Every weight is coprime to 11, so that a single wrong digit is detected.
# Neighbouring weights differ modulo 11, so that two swapped neighbours are detected.
_WEIGHTS = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)

_ACCOUNT_NUMBER = re.compile(r"([0-9]{4})/([0-9]{8})-([0-9X])")


def account_number(branch: int, sequence: int) -> str:
    """Return the account number BBBB/NNNNNNNN-D for the n-th account of a branch.

    D is 0 to 9, or X for ten, as at Banco do Brasil. If ten were written as 0, some typing errors would not be
    detected. Raises ValueError unless the branch is 1 to 9999 and the sequence 1 to 99,999,999.
    """
    if not 1 <= branch <= BRANCH_MAX:
        raise ValueError(f"A branch is 1 to {BRANCH_MAX}.")
    if not 1 <= sequence <= SEQUENCE_MAX:
        raise ValueError(f"An account's sequence number is 1 to {SEQUENCE_MAX}.")
    digits = f"{branch:04}{sequence:08}"
    return f"{digits[:4]}/{digits[4:]}-{_check_digit(digits)}"


def is_account_number(text: str) -> bool:
    """Return whether a text is an account number with the right check digit. The account need not exist."""
    match = _ACCOUNT_NUMBER.fullmatch(text)
    return match is not None and match.group(3) == _check_digit(match.group(1) + match.group(2))


def _check_digit(digits: str) -> str:
    check = -sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11
    return "X" if check == 10 else str(check)
