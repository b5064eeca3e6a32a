"""Verification of the whole audit trail: its chain, its signed heads, and one row for every event of the log."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bank.audit.heads import Head, read_heads
from bank.audit.keys import PublicKeys
from bank.audit.verify_chain import ChainVerdict, Fault, Progress, verify_chain
from bank.database.statements import load_statements

_queries = load_statements(__file__)


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error in the audit trail, described by a sentence. `number` is the first audit row concerned, if any."""

    sentence: str
    number: int | None = None


class AuditVerdict(msgspec.Struct, frozen=True):
    """The result of a verification.

    `rows` is the number of rows with the right hash, up to the first wrong one. `signed` is the number of heads that
    agree with them; the last one is for row `signed_number`. `dead_letters` is the number of dead letters of the
    audit, whose events have no row yet.
    """

    rows: int
    signed: int
    signed_number: int
    dead_letters: int
    findings: tuple[Finding, ...]


async def verify_trail(
    connection: Any, *, heads: Sequence[Path] = (), keys: PublicKeys | None = None, progress: Progress | None = None
) -> AuditVerdict:
    """Verify the audit trail as of one moment, so the connection has to be in a REPEATABLE READ transaction.

    Raises `BadInput` if a file of heads cannot be read.
    """
    findings: list[Finding] = []
    signed: dict[int, Head] = {}
    for path in heads:
        assert keys is not None, "heads are read with the keys that have signed them"
        read = read_heads(path, keys)
        if read.fault:
            findings.append(Finding(f"{read.fault}."))
        findings += [
            Finding(f"two signed heads disagree about audit row {head.number}.", head.number)
            for head in read.heads
            if signed.setdefault(head.number, head).hash != head.hash
        ]
    chain = await verify_chain(
        connection, signed={number: bytes.fromhex(head.hash) for number, head in signed.items()}, progress=progress
    )
    # Faults of rows come first. Missing rows are searched only if there is no fault.
    findings[:0] = [_finding(chain.fault)] if chain.fault else await _find_gaps(connection, chain, signed)
    agreed = [number for number in signed if number <= chain.number]
    return AuditVerdict(
        rows=chain.rows,
        signed=len(agreed),
        signed_number=max(agreed, default=0),
        dead_letters=await _queries.count_dead_letters(connection),
        findings=tuple(findings),
    )


def _finding(fault: Fault) -> Finding:
    return Finding(f"{fault.sentence}.", fault.number)


async def _find_gaps(connection: Any, chain: ChainVerdict, signed: dict[int, Head]) -> list[Finding]:
    found = [
        _find_truncation(chain, signed),
        await _find_event_without_row(connection, chain),
        await _find_row_without_event(connection),
        await _find_rows_outside_chain(connection, chain),
    ]
    return [finding for finding in found if finding]


def _find_truncation(chain: ChainVerdict, signed: dict[int, Head]) -> Finding | None:
    number = max(signed, default=0)
    if number <= chain.number:
        return None
    return Finding(
        f"audit row {chain.number + 1} is missing and so are all after it: the chain ends at {chain.number}, and row"
        f" {number} was signed at {signed[number].at.isoformat(timespec='seconds')}.",
        chain.number + 1,
    )


async def _find_event_without_row(connection: Any, chain: ChainVerdict) -> Finding | None:
    row = await _queries.first_unaudited(connection)
    if row is None:
        return None
    event = f"the {row['event_type']} at position {row['position']} of the log"
    if row["number"] is not None:
        sentence = f"{event} is not what audit row {row['number']} says it was: the event has been changed."
        return Finding(sentence, row["number"])
    sentence = f"{event} has no audit row, though the audit has come past it"
    if row["position"] > row["newest"]:
        return Finding(f"{sentence}: rows have been cut off after {chain.number}.", chain.number + 1)
    return Finding(f"{sentence}: its row was left out.")


async def _find_row_without_event(connection: Any) -> Finding | None:
    row = await _queries.first_without_event(connection)
    if row is None:
        return None
    sentence = (
        f"audit row {row['number']} tells of an event at position {row['event_position']}, which the log has not."
    )
    return Finding(sentence, row["number"])


async def _find_rows_outside_chain(connection: Any, chain: ChainVerdict) -> Finding | None:
    count = await _queries.count_rows(connection) - chain.rows
    return Finding(f"audit rows without a number of the chain: {count}.") if count else None
