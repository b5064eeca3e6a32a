"""Verify every invariant of a live database, as of one moment.

Several connections see the same moment through one exported snapshot, so that PostgreSQL works on as many queries at
once. They read only, and hold no lock that the running bank would wait for.
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
_of_state = (load_statements(__file__, "state.sql"), load_statements(__file__, "people.sql"))

# The longest first.
SWEEPS = (
    "entries_and_events",
    "transactions_and_events",
    "events_and_audit",
    "transactions_and_entries",
    "entries_along_accounts",
    "accounts_and_entries",
    "keys_and_told",
    "days_and_entries",
    "accounts_and_told",
    "keys",
    "holds_and_told",
    "users_and_told",
    "sessions_and_told",
    "positions",
    "totals",
    "followers",
    "subscribers",
    "deliveries",
)
# The audit chain is followed in two halves, each as much work as a quarter of the sweeps.
CHAIN_STEPS = 3
# The rows of the chain are hashed here while PostgreSQL renders the next ones, so one more than there are processors.
CONNECTIONS = 3
# For this transaction alone. A million entries are joined in memory; the bank's own statements are short and have their
# plans without parallel workers, who would take the processors from the running bank.
SETTINGS = (
    "set local work_mem = '128MB'",
    "set local hash_mem_multiplier = 2",
    "set local max_parallel_workers_per_gather = 0",
    "set local jit = off",
    # Hashing a million rows takes two thirds of what sorting them takes (measured), and the planner does not see it.
    "set local enable_mergejoin = off",
    "set local statement_timeout = 0",
    "set local idle_in_transaction_session_timeout = 0",
    # Only a migration or the like holds a lock that a reader waits for; behind one that waits, the bank would wait too.
    "set local lock_timeout = '5s'",
)

Progress = Callable[[float, float], None]
"""Told how many steps of how many are done."""

Work = Callable[[Any], Awaitable[None]]
"""A part of the work, given a connection."""


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
    """The result of a verification as of one moment: counts of rows, and findings; without any the books are sound.

    `audit_behind` are the events that the audit has not come to yet, `put_aside` those that wait as its dead letters.
    `logins` may work as the bank's role, superusers left out. `seconds` is what each part of the work took.
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
    logins: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def is_sound(self) -> bool:
        """Return whether every invariant holds."""
        return not self.findings


async def verify(url: str, *, progress: Progress | None = None) -> Verdict:
    """Verify a database while its bank runs.

    Raises `Unavailable` where it cannot be read, `WrongMigrationLevel` where its tables are those of another version.
    """
    try:
        async with _one_moment(url) as connections:
            await require_level_of(connections[0])
            return await verify_as_seen(connections, progress)
    except (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"The books could not be read: {reason(error)}.") from error


@asynccontextmanager
async def _one_moment(url: str) -> AsyncIterator[list[Any]]:
    """Yield connections that all see the database as of one moment, and read only."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(CONNECTIONS):
            connection = await connect(url, name="bank-check", timeout=10)
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


def _statement(name: str) -> str:
    """Return the text of a sweep, of whichever file."""
    text: str = getattr(next(queries for queries in (_queries, *_of_state) if hasattr(queries, name)), name).sql
    return text


async def verify_as_seen(connections: Sequence[Any], progress: Progress | None = None) -> Verdict:
    """Verify what connections see, which must be the same moment for all of them."""
    return await _Verification(progress or (lambda _done, _of: None)).run(connections)


class _Verification:
    """One verification under way: the work that waits, and what was found so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._waiting: deque[tuple[str, Work]] = deque()
        self._steps = 0.0
        self._done: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._findings: list[Finding] = []
        self._chained = 0
        self._faults: list[Fault] = []

    async def run(self, connections: Sequence[Any]) -> Verdict:
        """Do all of it, each connection as it becomes free, and return the verdict."""
        first = connections[0]
        as_of = await first.fetchval("select now()")
        counts = dict(await _queries.counts(first))
        self._plan(await _queries.last_audit_number(first))
        try:
            async with asyncio.TaskGroup() as tasks:
                for connection in connections:
                    tasks.create_task(self._work(connection))
        except ExceptionGroup as failed:
            # One says why; the others were given up for it.
            raise failed.exceptions[0] from failed
        self._findings += self._chain_findings(counts["audit_rows"])
        logins = tuple(await logins_of_role(first))
        order = list(INVARIANTS)
        findings = sorted(self._findings, key=lambda finding: order.index(finding.invariant))
        return Verdict(as_of=as_of, **counts, findings=tuple(findings), logins=logins, seconds=self._seconds)

    def _plan(self, last: int) -> None:
        """Line the work up, the longest first, so that the rest fills the time until all is done."""
        halfway = last // 2
        self._waiting.append(("chain_begin", partial(self._follow_chain, "chain_begin", 0, halfway)))
        self._waiting.append(("chain_end", partial(self._follow_chain, "chain_end", halfway, last)))
        self._waiting.extend((name, partial(self._sweep, name)) for name in SWEEPS)
        self._waiting.append(("schema", self._compare_schema))
        self._steps = 2 * CHAIN_STEPS + len(SWEEPS) + 1

    async def _work(self, connection: Any) -> None:
        while self._waiting:
            name, work = self._waiting.popleft()
            started = perf_counter()
            await work(connection)
            self._seconds[name] = round(perf_counter() - started, 3)
            self._tell(name, CHAIN_STEPS if name.startswith("chain") else 1)

    async def _sweep(self, name: str, connection: Any) -> None:
        self._findings += [Finding.from_row(row) for row in await connection.fetch(_statement(name))]

    async def _compare_schema(self, connection: Any) -> None:
        self._findings += [Finding.from_row(row) for row in await compare_schema(connection)]

    async def _follow_chain(self, name: str, after: int, until: int, connection: Any) -> None:
        def tell(rows: int, of: int) -> None:
            self._tell(name, CHAIN_STEPS * rows / of)

        chain = await verify_chain(connection, after=after, until=until, progress=tell)
        self._chained += chain.rows
        self._faults += [chain.fault] if chain.fault else []

    def _chain_findings(self, audit_rows: int) -> list[Finding]:
        if self._faults:
            fault = min(self._faults, key=lambda fault: fault.number)
            return [_broken_chain(f"audit row {fault.number}", fault.sentence)]
        if stray := audit_rows - self._chained:
            return [_broken_chain("the audit rows", f"{stray} of the audit rows are no part of the chain")]
        return []

    def _tell(self, name: str, steps: float) -> None:
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
