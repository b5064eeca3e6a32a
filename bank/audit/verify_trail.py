"""Examine the whole audit trail: its chain, its signed heads, and whether it tells of every event of the log."""

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
    """Something wrong, in one sentence. `number` is the first audit row concerned, where it is about rows."""

    sentence: str
    number: int | None = None


class AuditVerdict(msgspec.Struct, frozen=True):
    """The result of a verification: the rows that were read, and the findings.

    `rows` have a right hash, up to the first that has not. `signed` heads agree with them, the last of which is about
    row `signed_number`. `put_aside` events are dead letters: known to have no row yet.
    """

    rows: int
    signed: int
    signed_number: int
    put_aside: int
    findings: tuple[Finding, ...]


async def examine(
    connection: Any, *, heads: Sequence[Path] = (), keys: PublicKeys | None = None, progress: Progress | None = None
) -> AuditVerdict:
    """Examine the audit trail as of one moment: give a connection inside a REPEATABLE READ transaction.

    Raises `BadInput` where a file of heads cannot be read.
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
    # What is wrong with the rows themselves comes first; where they end matters only if they are right.
    findings[:0] = [_finding(chain.fault)] if chain.fault else await _find_gaps(connection, chain, signed)
    agreed = [number for number in signed if number <= chain.number]
    return AuditVerdict(
        rows=chain.rows,
        signed=len(agreed),
        signed_number=max(agreed, default=0),
        put_aside=await _queries.count_put_aside(connection),
        findings=tuple(findings),
    )


def _finding(fault: Fault) -> Finding:
    return Finding(f"{fault.sentence}.", fault.number)


async def _find_gaps(connection: Any, chain: ChainVerdict, signed: dict[int, Head]) -> list[Finding]:
    found = [
        _cut_off(chain, signed),
        await _unaudited(connection, chain),
        await _unfounded(connection),
        await _uncounted(connection, chain),
    ]
    return [finding for finding in found if finding]


def _cut_off(chain: ChainVerdict, signed: dict[int, Head]) -> Finding | None:
    number = max(signed, default=0)
    if number <= chain.number:
        return None
    return Finding(
        f"audit row {chain.number + 1} is missing and so are all after it: the chain ends at {chain.number}, and row"
        f" {number} was signed at {signed[number].at.isoformat(timespec='seconds')}.",
        chain.number + 1,
    )


async def _unaudited(connection: Any, chain: ChainVerdict) -> Finding | None:
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


async def _unfounded(connection: Any) -> Finding | None:
    row = await _queries.first_unfounded(connection)
    if row is None:
        return None
    sentence = (
        f"audit row {row['number']} tells of an event at position {row['event_position']}, which the log has not."
    )
    return Finding(sentence, row["number"])


async def _uncounted(connection: Any, chain: ChainVerdict) -> Finding | None:
    count = await _queries.count_rows(connection) - chain.rows
    return Finding(f"audit rows without a number of the chain: {count}.") if count else None
