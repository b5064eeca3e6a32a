"""Verification of the chain of audit rows, outside of the database.

The hash of a row is SHA-256 over the hash of the row before (32 zero bytes for the first row) and the row's text. The
text is a JSON array of all its columns but number and hash, and of the columns of its event in the log. PostgreSQL
renders the text with its own functions. The hashes are computed here, so that a forger gains nothing by replacing the
function that computes them in the database.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bank.database.statements import load_statements

_queries = load_statements(__file__)
_LINES: str = _queries.chain_lines.sql.removesuffix(";")

GENESIS = bytes(32)
# A copy of 20,000 rows takes 0.1 s and 10 MB: often enough to show progress, and no statement runs for long.
CHUNK = 20_000

Progress = Callable[[int, int], None]
"""A function that is called with the number of verified rows and the number of all rows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The number of the first wrong row, and a sentence that describes the error."""

    number: int
    sentence: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """The verified part of the chain: its number of rows, the number and hash of its last row, and the first fault."""

    rows: int
    number: int
    hash: bytes
    fault: Fault | None = None


async def verify_chain(
    connection: Any,
    *,
    after: int = 0,
    until: int | None = None,
    signed: Mapping[int, bytes] | None = None,
    progress: Progress | None = None,
) -> ChainVerdict:
    """Recompute the chain from the row after number `after` to the row `until` (None for the newest row).

    The connection has to be in a REPEATABLE READ transaction, because otherwise rows may be added meanwhile. A range
    begins from the stored hash of row `after`, so that several processes can verify adjacent ranges.
    `signed` has the hashes of signed heads by number. A row with another hash is a fault, even if the chain is
    consistent. Verifies about 200,000 rows a second (measured).
    """
    end = await _queries.chain_end(connection)
    last = until if until is not None else end["number"] if end else 0
    hash_ = GENESIS if after == 0 else await _queries.hash_at(connection, number=after)
    if hash_ is None:
        return ChainVerdict(0, after, GENESIS, Fault(after, f"audit row {after} is missing"))
    state = _Verification(number=after, hash=bytes(hash_), signed=signed or {})
    while state.number < last and state.fault is None:
        await _verify_range(connection, state, until=min(state.number + CHUNK, last))
        if progress is not None:
            progress(state.number - after, last - after)
    return ChainVerdict(state.number - after, state.number, state.hash, state.fault)


@dataclass(slots=True)
class _Verification:
    """The state of a verification: the last correct row, the last row that a head confirms, and the first fault."""

    number: int
    hash: bytes
    signed: Mapping[int, bytes]
    signed_number: int = 0
    fault: Fault | None = None

    def verify(self, lines: list[bytes]) -> None:
        """Verify the next rows, in the format of COPY; stop at the first wrong one."""
        number, hash_, signed = self.number, self.hash, self.signed
        for line in lines:
            number += 1
            stored_number, stored_hash, text = line.split(b"\t", 2)
            if int(stored_number) != number:
                self.fault = _wrong_number(number, int(stored_number))
                break
            if b"\\" in text:
                # COPY doubles backslashes, and changes nothing else in a JSON text.
                text = text.replace(b"\\\\", b"\\")
            digest = sha256(hash_ + text).digest()
            if digest.hex().encode() != stored_hash:
                self.fault = Fault(number, _broken(number, text))
                break
            if number in signed:
                if signed[number] != digest:
                    self.fault = Fault(number, _rewritten(number, self.signed_number))
                    break
                self.signed_number = number
            hash_ = digest
        else:
            number += 1
        self.number, self.hash = number - 1, hash_


async def _verify_range(connection: Any, state: _Verification, *, until: int) -> None:
    rest = b""

    async def receive(piece: bytes) -> None:
        # The rows are hashed piece by piece, while PostgreSQL renders the next ones.
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        if state.fault is None:
            state.verify(lines)

    await connection.copy_from_query(_LINES, state.number, until, output=receive)
    if state.fault is None and state.number < until:
        state.fault = Fault(state.number + 1, f"audit row {state.number + 1} is missing")


def _wrong_number(expected: int, found: int) -> Fault:
    if found < expected:
        return Fault(found, f"there are two audit rows of number {found}")
    return Fault(expected, f"audit row {expected} is missing")


# The text of a row without an event ends with five nulls: the columns of the event.
_NO_EVENT = b", null" * 5 + b"]"


def _broken(number: int, text: bytes) -> str:
    position = text[1:].partition(b",")[0].decode()
    if text.endswith(_NO_EVENT):
        return (
            f"audit row {number} (event {position}) tells of an event that the log has not: it has been changed or put"
            " in, or its event taken out"
        )
    return (
        f"audit row {number} (event {position}) is not as it was written: it or its event has been changed, moved or"
        " put in, for its hash does not follow from both and the row before"
    )


def _rewritten(number: int, signed_number: int) -> str:
    where = (
        f"after row {signed_number}, the last that agrees with what was signed"
        if signed_number
        else "from its beginning, or nearly"
    )
    return f"audit row {number} is not the one that was signed, though its chain fits: it was written anew {where}"
