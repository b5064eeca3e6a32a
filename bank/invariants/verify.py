"""Verify every invariant of a live database, as of one moment.

Several connections see the same moment through one exported snapshot, so that PostgreSQL works on as many queries at
once. They read only, and hold no lock that the running bank would wait for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from time import perf_counter
from typing import Any

import asyncpg
import msgspec

from bank.audit.verify import verify_chain
from bank.database.migrate import require_level_of
from bank.database.pool import CONNECTION_LOST, ROLE
from bank.database.statements import load_statements
from bank.errors import Unavailable
from bank.invariants.list import CONSTRAINTS, INVARIANTS, KEPT, TRIGGERS

_queries = load_statements(__file__)

# The longest first, so that the last ones fill the time until all are done.
SWEEPS = (
    "entries_and_events",
    "transactions_and_events",
    "events_and_audit",
    "transactions_and_entries",
    "entries_along_accounts",
    "accounts_and_entries",
    "keys",
    "positions",
    "totals",
    "followers",
    "subscribers",
    "guards",
)
# Following the audit chain is as much work as half of the others together, and tells how far it is.
CHAIN_STEPS = 6
# One for the audit chain, whose rows are hashed here, and two for the queries.
CONNECTIONS = 3
# For this transaction alone. A million entries are joined in memory; the bank's own statements are short and have their
# plans without parallel workers, who would take the processors from the running bank.
SETTINGS = (
    "set local work_mem = '128MB'",
    "set local hash_mem_multiplier = 2",
    "set local max_parallel_workers_per_gather = 0",
    "set local jit = off",
    "set local statement_timeout = 0",
    "set local idle_in_transaction_session_timeout = 0",
    # Only a migration or the like holds a lock that a reader waits for; behind one that waits, the bank would wait too.
    "set local lock_timeout = '5s'",
)

Progress = Callable[[float, float], None]
"""Told how many steps of how many are done."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An invariant that is broken `broken` times, and in a sentence the first thing that is wrong.

    `place` says where it is; what should be there is `expected`, and `found` is what there is.
    """

    invariant: str
    broken: int
    place: str
    expected: str
    found: str
    sentence: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Finding":
        """Read what a sweep found."""
        what, values = row["what"], {name: row[name] for name in ("invariant", "broken", "place", "expected", "found")}
        more = f" (and {row['broken'] - 1:,} more)" if row["broken"] > 1 else ""
        sentence = f"{row['place']}: {what} should be {row['expected']}, and is {row['found']}{more}."
        return cls(**values, sentence=sentence)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, as of which moment, and what is wrong with it: nothing, and the books are sound.

    `audit_behind` are the events that the audit has not come to yet, `put_aside` those that wait as its dead letters.
    `seconds` is what each part of the work took.
    """

    as_of: datetime
    accounts: int
    transactions: int
    entries: int
    holds: int
    events: int
    audit_rows: int
    audit_behind: int
    put_aside: int
    findings: tuple[Finding, ...]
    seconds: dict[str, float]

    @property
    def is_sound(self) -> bool:
        """Whether every invariant holds."""
        return not self.findings


async def verify(url: str, *, progress: Progress | None = None) -> Verdict:
    """Verify a database while its bank runs.

    Raises `Unavailable` where it cannot be read, `WrongMigrationLevel` where its tables are those of another version.
    """
    try:
        async with _one_moment(url) as (first, *others):
            await require_level_of(first)
            return await _Verification(first, others, progress or (lambda _done, _of: None)).run()
    except (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"The books could not be read: {str(error) or type(error).__name__}.") from error


@asynccontextmanager
async def _one_moment(url: str) -> AsyncIterator[list[Any]]:
    """Yield connections that all see the database as of one moment, and read only."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(CONNECTIONS):
            connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "bank-check"})
            stack.push_async_callback(connection.close, timeout=5)
            connections.append(connection)
        first, *others = connections
        await first.execute("begin isolation level repeatable read read only")
        moment = await first.fetchval("select pg_export_snapshot()")
        for connection in others:
            await connection.execute("begin isolation level repeatable read read only")
            await connection.execute(f"set transaction snapshot '{moment}'")
        for connection in connections:
            await connection.execute("; ".join(SETTINGS))
        yield connections


class _Verification:
    """One verification under way: the sweeps that wait, and what was found so far."""

    def __init__(self, first: Any, others: Sequence[Any], progress: Progress) -> None:
        self._first = first
        self._others = others
        self._progress = progress
        self._waiting = list(SWEEPS)
        self._audited = 0.0
        self._seconds: dict[str, float] = {}
        self._findings: list[Finding] = []

    async def run(self) -> Verdict:
        """Do all of it, and return the verdict."""
        as_of = await self._first.fetchval("select now()")
        counts = dict(await _queries.counts(self._first))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_chain(counts["audit_rows"]))
                for connection in self._others:
                    tasks.create_task(self._sweep(connection))
        except ExceptionGroup as failed:
            # One says why; the others were given up for it.
            raise failed.exceptions[0] from failed
        order = list(INVARIANTS)
        findings = sorted(self._findings, key=lambda finding: order.index(finding.invariant))
        return Verdict(as_of=as_of, **counts, findings=tuple(findings), seconds=self._seconds)

    async def _sweep(self, connection: Any) -> None:
        while self._waiting:
            name, started = self._waiting.pop(0), perf_counter()
            self._findings += [Finding.from_row(row) for row in await connection.fetch(*_statement(name))]
            self._seconds[name] = round(perf_counter() - started, 3)
            self._tell()

    async def _follow_chain(self, audit_rows: int) -> None:
        started = perf_counter()

        def tell(rows: int, of: int) -> None:
            self._audited = CHAIN_STEPS * rows / of
            self._tell()

        chain = await verify_chain(self._first, progress=tell)
        if chain.fault:
            self._findings.append(_broken_chain(f"audit row {chain.fault.number}", chain.fault.sentence))
        elif chain.rows != audit_rows:
            stray = audit_rows - chain.rows
            self._findings.append(_broken_chain("the audit rows", f"{stray} of them are no part of the chain"))
        self._audited = CHAIN_STEPS
        self._seconds["chain"] = round(perf_counter() - started, 3)

    def _tell(self) -> None:
        self._progress(len(self._seconds.keys() - {"chain"}) + self._audited, len(SWEEPS) + CHAIN_STEPS)


def _broken_chain(place: str, text: str) -> Finding:
    return Finding(
        invariant="audit_chain",
        broken=1,
        place=place,
        expected="chained to the row before",
        found=text,
        sentence=f"{text}.",
    )


def _statement(name: str) -> tuple[Any, ...]:
    """Return the text of a sweep and its parameters."""
    text: str = getattr(_queries, name).sql
    if name != "guards":
        return (text,)
    tables_and_triggers, tables_and_constraints = zip(*TRIGGERS, strict=True), zip(*CONSTRAINTS, strict=True)
    return (text, *tables_and_triggers, *tables_and_constraints, KEPT, ROLE)
