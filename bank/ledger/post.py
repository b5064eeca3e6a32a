"""Posting: the one place where money moves (R4).

Commands that arrive while a batch is being written are collected and make up the next one. A batch is one transaction:
it takes one lock, then the account rows in id order, decides in memory, and writes everything with one statement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Histogram

from bank.background import BackgroundLoop, BackgroundTasks
from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.errors import BankError, OutcomeUnknown, Overloaded
from bank.events.bus import Bus
from bank.events.event import RecordedEvent
from bank.events.work import again_if_undone
from bank.idempotency.keys import KEYS_ARE_UNIQUE, find_records
from bank.idempotency.outcomes import Outcome
from bank.identifiers import uuid7, uuid7s
from bank.ledger.batch import Batch
from bank.ledger.model import Account, Command, Hold, Original
from bank.ledger.write import write
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
queries = load_statements(__file__)

# One statement for 512 decisions takes about 30 ms; beyond that latency grows faster than throughput. At 256 a posting
# is a tenth dearer, for what is paid once a batch: begin, locks, commit (measured).
BATCH_MAX = 512
# Four full batches, under a quarter of a second of waiting; a longer queue only delays the answer "try again".
QUEUE_MAX = 2_048
# What the answered do next runs while PostgreSQL works on the next batch, not before that batch can go on.
ANSWERS_AT_ONCE = 16
# One batch at a time, whichever process it runs in; any number that nothing else locks. The lock is a statement of its
# own, so that those after it see everything that the holder before us has committed.
BEGIN_POSTING = "begin; select pg_advisory_xact_lock(7205759404)"
# Waits until every batch that has chosen its moment is committed or given up. Who looks after that at a moment that was
# over before will find it the same for ever: a batch that begins later chooses a later one.
SETTLE_THE_PAST = "select pg_advisory_xact_lock_shared(7205759404)"

# Beside its bound, so that the last bucket is a full batch.
BATCH_SIZE = Histogram(
    "bank_posting_batch_size",
    "Commands decided by one batch",
    buckets=[2**power for power in range(BATCH_MAX.bit_length())],
)

WriteThrough = Callable[[Sequence[Account]], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    command: Command
    outcome: asyncio.Future[Outcome]


class Ledger:
    """Posts commands. `post` is called by use cases; `loop` writes batches, `run_once` one batch.

    `write_through` is told the accounts that a batch has changed, after the commit and before the callers are answered.
    """

    def __init__(self, database: Database, bus: Bus, clock: Clock, write_through: WriteThrough) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._write_through = write_through
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(maxsize=QUEUE_MAX)
        self._has_commands = asyncio.Event()
        self._telling = BackgroundTasks()
        self.loop = BackgroundLoop(name="ledger", run_once=self.run_once, interval_s=None, wake_up=self._has_commands)

    async def post(self, command: Command) -> Outcome:
        """Decide and write a command; return once it is durable.

        Raises `Overloaded` (nothing was done), `Unavailable` (nothing was done), `OutcomeUnknown` (retry with the same
        key to find out).
        """
        waiting = _Waiting(command, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Overloaded("The ledger has more to post than it can; try again in a moment.") from None
        self._has_commands.set()
        return await waiting.outcome

    async def run_once(self) -> bool:
        """Write what is waiting, up to `BATCH_MAX` decisions, as one batch; return whether more is waiting."""
        batch: list[_Waiting] = []
        decisions = 0
        while decisions < BATCH_MAX and not self._queue.empty():
            batch.append(self._queue.get_nowait())
            decisions += len(batch[-1].command.decide)
        if batch:
            await self._write_batch(batch)
        return not self._queue.empty()

    async def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        started = perf_counter()
        try:
            await self._write([waiting.command for waiting in batch], batch)
        except asyncio.CancelledError:
            _fail(batch, OutcomeUnknown("The bank stopped in the middle; a retry with the same key finds out."))
            raise
        except BankError as error:
            _fail(batch, error)
        except Exception:
            # A bug, in a decision or in a statement; what passes is a BankError by now. It has undone the batch, since
            # nothing raises after the commit (see `_tell`), and it must not stop the loop that everybody waits for.
            logger.exception("batch_broken", commands=len(batch))
            await self._write_one_by_one(batch)
        finally:
            BATCH_SIZE.observe(len(batch))
            metrics.POSTING_BATCH_SECONDS.observe(perf_counter() - started)

    async def _write_one_by_one(self, batch: Sequence[_Waiting]) -> None:
        """Write each command of a broken batch as a batch of its own, so that only the command with the bug fails."""
        if len(batch) == 1:
            _fail(batch, BankError("Internal error"))
            return
        for waiting in batch:
            await self._write_batch([waiting])

    async def close(self) -> None:
        """Write what is queued and answer everybody, then stop."""
        while not self._queue.empty():
            await self.run_once()
        await self._telling.finish()

    async def _write(self, commands: Sequence[Command], waiting: Sequence[_Waiting]) -> None:
        try:
            batch, outcomes, events = await self._commit(commands)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != KEYS_ARE_UNIQUE:
                raise
            # A unit of work has used one of these keys since we looked; now it is there to be seen.
            batch, outcomes, events = await self._commit(commands)
        committed_at = perf_counter()
        if self._queue.empty():
            # Nobody waits for the next batch, so that the subscribers come first.
            self._publish(events, committed_at)
            events = ()
        # The next batch need not wait until everybody knows of this one; its callers do (R11).
        self._telling.start("tell_of_batch", self._tell(batch, waiting, outcomes, events, committed_at))

    def _publish(self, events: Iterable[RecordedEvent], committed_at: float) -> None:
        """Hand events to the subscribers. A bug here is logged: the subscribers find the events in the log."""
        try:
            if recorded := list(events):
                self._bus.publish(recorded, committed_at=committed_at)
        except Exception:
            logger.exception("events_not_published")

    @again_if_undone
    async def _commit(
        self, commands: Sequence[Command]
    ) -> tuple[Batch, list[Outcome | BankError], Iterable[RecordedEvent]]:
        """Decide and write; return the batch, its outcomes and its events as the log has them."""
        async with self._database.transaction(BEGIN_POSTING) as connection:
            batch = await self._load(connection, commands)
            outcomes = [batch.decide(command) for command in commands]
            events = await write(connection, batch) if batch.writes else ()
        return batch, outcomes, events

    async def _load(self, connection: Any, commands: Sequence[Command]) -> Batch:
        keyed = [(command.caller_id, command.key) for command in commands if command.key is not None]
        known = await find_records(connection, keyed)
        new = [command for command in commands if (command.caller_id, command.key) not in known]
        account_ids = {id_ for command in commands for id_ in command.account_ids}
        accounts = {row["id"]: Account(*row) async for row in queries.lock_accounts(connection, ids=list(account_ids))}
        # Processes may disagree on the time; an account's entries are in the order of theirs all the same.
        now = max([self._clock.now(), *(account.updated_at for account in accounts.values() if account.updated_at)])
        return Batch(
            accounts,
            known,
            now,
            originals=await _originals(connection, [id_ for command in new for id_ in command.original_ids]),
            holds=await _holds(connection, [id_ for command in new for id_ in command.hold_ids]),
            # Most commands make one transaction; lists and fees make more.
            ids=chain(uuid7s(len(commands)), iter(uuid7, None)),
        )

    async def _tell(
        self,
        batch: Batch,
        waiting: Sequence[_Waiting],
        outcomes: Sequence[Outcome | BankError],
        events: Iterable[RecordedEvent],
        committed_at: float,
    ) -> None:
        """Tell the subscribers of `events`, the cache and then the callers of what has been committed."""
        for command, error in batch.broken:
            request = command.context.correlation_id if command.context else None
            logger.error("decision_broken", operation=command.operation, correlation_id=request, exc_info=error)
        try:
            if events:
                await asyncio.sleep(0)  # lets the database begin with the next batch
                self._publish(events, committed_at)
            if shown := batch.accounts_to_cache:
                await self._write_through(shown)
        except BankError as error:
            # It is written; and somebody may still be shown what was before, so that nobody is told that it is.
            _fail(waiting, error)
        except Exception:  # it is committed, and the callers are told so
            logger.exception("write_through_broken")
        finally:
            for number, (one, outcome) in enumerate(zip(waiting, outcomes, strict=True), start=1):
                if isinstance(outcome, BankError):
                    _fail([one], outcome)
                elif not one.outcome.done():
                    one.outcome.set_result(outcome)
                if number % ANSWERS_AT_ONCE == 0:
                    await asyncio.sleep(0)


async def _originals(connection: Any, ids: list[UUID]) -> dict[UUID, Original]:
    if not ids:
        return {}
    return {row["id"]: Original(*row) async for row in queries.find_originals(connection, ids=ids)}


async def _holds(connection: Any, ids: list[UUID]) -> dict[UUID, Hold]:
    if not ids:
        return {}
    return {row["id"]: Hold(*row) async for row in queries.find_holds(connection, ids=ids)}


def _fail(batch: Sequence[_Waiting], error: BankError) -> None:
    for waiting in batch:
        if not waiting.outcome.done():
            # A fresh instance for each caller: a shared one would collect their tracebacks.
            waiting.outcome.set_exception(type(error)(error.message))
