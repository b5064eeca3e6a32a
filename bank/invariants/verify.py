"""Verification of every invariant of a live database, as of one moment.

Several connections share one exported snapshot, so that PostgreSQL runs several queries at once. They only read, and
hold no lock that the running bank would wait for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

import asyncpg
import msgspec

from bank.audit.verify_chain import Fault, verify_chain
from bank.database.connection import connect
from bank.database.failures import CONNECTION_LOST, reason
from bank.database.migrate import require_level_of
from bank.database.statements import load_statements
from bank.errors import Unavailable
from bank.invariants.list import INVARIANTS
from bank.invariants.schema import compare_schema, logins_of_role

_queries = load_statements(__file__)
_STATE_FILES = ("state", "people", "approvals", "encryption", "security")
_state_queries = tuple(load_statements(__file__, f"{name}.sql") for name in _STATE_FILES)

# The queries that verify the invariants, the slowest first.
QUERIES = (
    "entries_and_events",
    "transactions_and_events",
    "events_and_audit",
    "transactions_and_entries",
    "entries_along_accounts",
    "accounts_and_entries",
    "keys_and_events",
    "keys_and_texts",
    "days_and_entries",
    "accounts_and_events",
    "keys",
    "holds_and_events",
    "approvals_and_events",
    "users_and_events",
    "sessions_and_events",
    "second_factors_and_events",
    "signing_keys_and_events",
    "templates_and_events",
    "identities_and_events",
    "observations_and_events",
    "positions",
    "totals",
    "followers",
    "subscribers",
    "deliveries",
)
# The audit chain is verified in two halves, each as much work as a quarter of the queries.
CHAIN_STEPS = 3
# One more than two processors, because this process hashes rows of the chain while PostgreSQL renders the next ones.
CONNECTIONS = 3
# Settings for this transaction alone. The memory is enough to join a million entries. Parallel workers would take the
# processors from the running bank.
SETTINGS = (
    "set local work_mem = '128MB'",
    "set local hash_mem_multiplier = 2",
    "set local max_parallel_workers_per_gather = 0",
    "set local jit = off",
    # A hash join of a million rows takes two thirds of the time of a merge join (measured); the planner estimates more.
    "set local enable_mergejoin = off",
    "set local statement_timeout = 0",
    "set local idle_in_transaction_session_timeout = 0",
    # A reader waits only for locks such as those of a migration. The bank could queue behind such a lock, so that this
    # must not wait for long.
    "set local lock_timeout = '5s'",
)

Progress = Callable[[float, float], None]
"""A function that is called with the number of finished steps and the number of all steps."""

Task = Callable[[Any], Awaitable[None]]
"""A part of the verification, as a function of a connection."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A broken invariant: the number of violations (`broken`), and the first one, described by a sentence.

    `place` is the place of the first violation, with the expected and the found value.
    """

    invariant: str
    broken: int
    place: str
    expected: str
    found: str
    sentence: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Finding":
        """Return the finding of a row of a query's result."""
        what, values = row["what"], {name: row[name] for name in ("invariant", "broken", "place", "expected", "found")}
        more = f" (and {row['broken'] - 1:,} more)" if row["broken"] > 1 else ""
        sentence = f"{row['place']}: {what} should be {row['expected']}, and is {row['found']}{more}."
        return cls(**values, sentence=sentence)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verification as of one moment: counts of rows, and findings. Without any the books are sound.

    `audit_lag` is the number of events that the audit has not handled yet, `audit_dead_letters` the number of its dead
    letters. `logins` are the users that may use the bank's role, without superusers. `seconds` has the duration of each
    task.
    """

    as_of: datetime
    accounts: int
    transactions: int
    entries: int
    holds: int
    events: int
    audit_rows: int
    audit_lag: int
    audit_dead_letters: int
    findings: tuple[Finding, ...]
    logins: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def is_sound(self) -> bool:
        """Return whether every invariant holds."""
        return not self.findings


async def verify(url: str, *, progress: Progress | None = None) -> Verdict:
    """Verify a database while its bank runs.

    Raises `Unavailable` if it cannot be read, and `WrongMigrationLevel` if its tables are those of another version.
    """
    try:
        async with _shared_snapshot(url) as connections:
            await require_level_of(connections[0])
            return await verify_snapshot(connections, progress)
    except (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"The books could not be read: {reason(error)}.") from error


@asynccontextmanager
async def _shared_snapshot(url: str) -> AsyncIterator[list[Any]]:
    """Yield read-only connections that share one snapshot of the database."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(CONNECTIONS):
            connection = await connect(url, name="bank-check", timeout=10)
            stack.push_async_callback(connection.close, timeout=5)
            connections.append(connection)
        first, *others = connections
        await first.execute("begin isolation level repeatable read read only")
        snapshot = await first.fetchval("select pg_export_snapshot()")
        for connection in others:
            await connection.execute("begin isolation level repeatable read read only")
            await connection.execute(f"set transaction snapshot '{snapshot}'")
        for connection in connections:
            await connection.execute("; ".join(SETTINGS))
        yield connections


def _statement(name: str) -> str:
    """Return the text of a query, from any of the files."""
    text: str = getattr(next(queries for queries in (_queries, *_state_queries) if hasattr(queries, name)), name).sql
    return text


async def verify_snapshot(connections: Sequence[Any], progress: Progress | None = None) -> Verdict:
    """Verify the invariants over connections that share one snapshot."""
    return await _Verification(progress or (lambda _done, _of: None)).run(connections)


class _Verification:
    """A running verification: the waiting tasks, and the findings so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._waiting: deque[tuple[str, Task]] = deque()
        self._steps = 0.0
        self._done: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._findings: list[Finding] = []
        self._chained = 0
        self._faults: list[Fault] = []

    async def run(self, connections: Sequence[Any]) -> Verdict:
        """Run all tasks, each on the next free connection, and return the verdict."""
        first = connections[0]
        as_of = await first.fetchval("select now()")
        counts = dict(await _queries.counts(first))
        self._plan(await _queries.last_audit_number(first))
        try:
            async with asyncio.TaskGroup() as tasks:
                for connection in connections:
                    tasks.create_task(self._run_tasks(connection))
        except ExceptionGroup as failed:
            # The first error is the cause; the other tasks were cancelled because of it.
            raise failed.exceptions[0] from failed
        self._findings += self._chain_findings(counts["audit_rows"])
        logins = tuple(await logins_of_role(first))
        order = list(INVARIANTS)
        findings = sorted(self._findings, key=lambda finding: order.index(finding.invariant))
        return Verdict(as_of=as_of, **counts, findings=tuple(findings), logins=logins, seconds=self._seconds)

    def _plan(self, last: int) -> None:
        """Queue the tasks, the slowest first, so that all connections finish at about the same time."""
        halfway = last // 2
        self._waiting.append(("chain_begin", partial(self._verify_chain, "chain_begin", 0, halfway)))
        self._waiting.append(("chain_end", partial(self._verify_chain, "chain_end", halfway, last)))
        self._waiting.extend((name, partial(self._run_query, name)) for name in QUERIES)
        self._waiting.append(("schema", self._compare_schema))
        self._steps = 2 * CHAIN_STEPS + len(QUERIES) + 1

    async def _run_tasks(self, connection: Any) -> None:
        while self._waiting:
            name, task = self._waiting.popleft()
            started = perf_counter()
            await task(connection)
            self._seconds[name] = round(perf_counter() - started, 3)
            self._report_progress(name, CHAIN_STEPS if name.startswith("chain") else 1)

    async def _run_query(self, name: str, connection: Any) -> None:
        self._findings += [Finding.from_row(row) for row in await connection.fetch(_statement(name))]

    async def _compare_schema(self, connection: Any) -> None:
        self._findings += [Finding.from_row(row) for row in await compare_schema(connection)]

    async def _verify_chain(self, name: str, after: int, until: int, connection: Any) -> None:
        def show(rows: int, of: int) -> None:
            self._report_progress(name, CHAIN_STEPS * rows / of)

        chain = await verify_chain(connection, after=after, until=until, progress=show)
        self._chained += chain.rows
        self._faults += [chain.fault] if chain.fault else []

    def _chain_findings(self, audit_rows: int) -> list[Finding]:
        if self._faults:
            fault = min(self._faults, key=lambda fault: fault.number)
            return [_broken_chain(f"audit row {fault.number}", fault.sentence)]
        if stray := audit_rows - self._chained:
            return [_broken_chain("the audit rows", f"{stray} of the audit rows are no part of the chain")]
        return []

    def _report_progress(self, name: str, steps: float) -> None:
        self._done[name] = steps
        self._progress(sum(self._done.values()), self._steps)


def _broken_chain(place: str, text: str) -> Finding:
    return Finding(
        invariant="audit_chain",
        broken=1,
        place=place,
        expected="chained to the row before",
        found=text,
        sentence=f"{text}.",
    )
