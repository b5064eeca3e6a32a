"""Posting: the only code that moves money (R4).

Commands that arrive while a batch is being written are collected for the next batch. A batch is one transaction. It
takes one lock, locks the account rows in id order, decides in memory, and writes everything with one statement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from prometheus_client import Histogram

from bank.background import BackgroundLoop, BackgroundTasks
from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.encryption.cipher import PersonalTextCipher
from bank.errors import BankError, OutcomeUnknown, Overloaded
from bank.events.bus import Bus
from bank.events.event import RecordedEvent
from bank.events.origins import EventOrigins
from bank.events.unit_of_work import retry_if_rolled_back
from bank.idempotency.keys import KEYS_ARE_UNIQUE, find_records
from bank.idempotency.outcomes import Outcome
from bank.identifiers import uuid7, uuid7s
from bank.ledger.approvals import lock_approvals
from bank.ledger.batch import Batch
from bank.ledger.model import Account, Command, Hold, Original
from bank.ledger.write import write
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
queries = load_statements(__file__)

# One statement for 512 decisions takes about 30 ms; with more, latency grows faster than throughput. With 256, a
# posting costs a tenth more, because of the fixed costs of a batch: begin, locks, commit (measured).
BATCH_MAX = 512
# Four full batches, which wait less than a quarter of a second. A longer queue would only delay the error OVERLOADED.
QUEUE_MAX = 2_048
# After so many responses the loop turns, so that the code of the callers runs while PostgreSQL executes the next batch.
RESPONSES_PER_TURN = 16
# One batch at a time in all processes; the number is arbitrary, and no other code locks it. The lock is a separate
# statement, so that the statements after it see all commits of the previous holder.
BEGIN_POSTING = "begin; select pg_advisory_xact_lock(7205759404)"
# Waits until every batch that has set its time has ended. A later batch has a later time. So after this statement, no
# commit can change the balance at a time before it.
WAIT_FOR_OPEN_BATCHES = "select pg_advisory_xact_lock_shared(7205759404)"

# Defined here and not in `bank.telemetry.metrics`, since the last bucket depends on BATCH_MAX.
BATCH_SIZE = Histogram(
    "bank_posting_batch_size",
    "Commands decided by one batch",
    buckets=[2**power for power in range(BATCH_MAX.bit_length())],
)

WriteThrough = Callable[[Sequence[Account]], Awaitable[None]]


@dataclass(slots=True)
class _QueuedCommand:
    command: Command
    outcome: asyncio.Future[Outcome]


class Ledger:
    """The ledger. Use cases call `post`; `loop` writes batches, `run_once` one batch.

    `write_through` is called with the accounts that a batch has changed, after its commit and before its responses.
    """

    def __init__(
        self, database: Database, bus: Bus, clock: Clock, write_through: WriteThrough, cipher: PersonalTextCipher
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._origins = EventOrigins(cipher)
        self._cipher = cipher
        self._write_through = write_through
        self._queue: asyncio.Queue[_QueuedCommand] = asyncio.Queue(maxsize=QUEUE_MAX)
        self._has_commands = asyncio.Event()
        self._notifications = BackgroundTasks()
        self.loop = BackgroundLoop(name="ledger", run_once=self.run_once, interval_s=None, wake_up=self._has_commands)

    async def encrypt_text(self, text: str | None, person_id: UUID | None) -> str | None:
        """Return a free text for `Posting` or `Hold`, encrypted for the person whose account it is about (R15)."""
        return await self._cipher.encrypt(text, person_id)

    async def post(self, command: Command) -> Outcome:
        """Decide and write a command; return once it is durable.

        Raises `Overloaded` or `Unavailable` if nothing was done, and `OutcomeUnknown` if the caller has to retry with
        the same key to get the outcome.
        """
        if command.context is not None:
            command = msgspec.structs.replace(command, metadata=await self._origins.metadata(command.context))
        queued = _QueuedCommand(command, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(queued)
        except asyncio.QueueFull:
            raise Overloaded("The ledger has more to post than it can; try again in a moment.") from None
        self._has_commands.set()
        return await queued.outcome

    async def run_once(self) -> bool:
        """Write the queued commands, about `BATCH_MAX` decisions, as one batch; return whether more are queued."""
        batch: list[_QueuedCommand] = []
        decisions = 0
        while decisions < BATCH_MAX and not self._queue.empty():
            batch.append(self._queue.get_nowait())
            decisions += len(batch[-1].command.decide)
        if batch:
            await self._write_batch(batch)
        return not self._queue.empty()

    async def _write_batch(self, batch: Sequence[_QueuedCommand]) -> None:
        started = perf_counter()
        try:
            await self._write([queued.command for queued in batch], batch)
        except asyncio.CancelledError:
            _fail(batch, OutcomeUnknown("The bank stopped in the middle; a retry with the same key finds out."))
            raise
        except BankError as error:
            _fail(batch, error)
        except Exception:
            # A bug in a statement; transient errors are BankErrors. The batch was rolled back, since nothing raises
            # after the commit (see `_notify`). The bug must not stop the loop, because all callers wait for it.
            logger.exception("batch_failed", commands=len(batch))
            await self._write_one_by_one(batch)
        finally:
            BATCH_SIZE.observe(len(batch))
            metrics.POSTING_BATCH_SECONDS.observe(perf_counter() - started)

    async def _write_one_by_one(self, batch: Sequence[_QueuedCommand]) -> None:
        """Write each command of a broken batch as a separate batch, so that only the command with the bug fails."""
        if len(batch) == 1:
            _fail(batch, BankError("Internal error"))
            return
        for queued in batch:
            await self._write_batch([queued])

    async def close(self) -> None:
        """Write the queued commands, and wait until all callers have their outcomes."""
        while not self._queue.empty():
            await self.run_once()
        await self._notifications.finish()

    async def _write(self, commands: Sequence[Command], queued: Sequence[_QueuedCommand]) -> None:
        try:
            batch, outcomes, events = await self._commit(commands)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != KEYS_ARE_UNIQUE:
                raise
            # A unit of work stored one of these keys after the look-up. The second look-up finds it.
            batch, outcomes, events = await self._commit(commands)
        committed_at = perf_counter()
        if self._queue.empty():
            # No command waits for the next batch, so that the events are published first.
            self._publish(events, committed_at)
            events = ()
        # The next batch need not wait for the notifications of this one, but its callers have to (R11).
        self._notifications.start("notify_of_batch", self._notify(batch, queued, outcomes, events, committed_at))

    def _publish(self, events: Iterable[RecordedEvent], committed_at: float) -> None:
        """Publish events on the bus. After a bug here, which is logged, subscribers read the events from the log."""
        try:
            if recorded := list(events):
                self._bus.publish(recorded, committed_at=committed_at)
        except Exception:
            logger.exception("events_not_published")

    @retry_if_rolled_back
    async def _commit(
        self, commands: Sequence[Command]
    ) -> tuple[Batch, list[Outcome | BankError], Iterable[RecordedEvent]]:
        """Decide and write; return the batch, its outcomes, and its events with their positions."""
        async with self._database.transaction(BEGIN_POSTING) as connection:
            batch = await self._load(connection, commands)
            outcomes = [batch.decide(command) for command in commands]
            events = await write(connection, batch) if batch.writes else ()
        return batch, outcomes, events

    async def _load(self, connection: Any, commands: Sequence[Command]) -> Batch:
        keyed = [(command.caller_id, command.key) for command in commands if command.key is not None]
        known = await find_records(connection, keyed)
        new = [command for command in commands if (command.caller_id, command.key) not in known]
        # Approvals and the roles of their people are locked first, in the same order as by other transactions.
        approval_ids = [id_ for command in new for id_ in command.approval_ids]
        deciders = [command.caller_id for command in new if command.approval_ids and command.caller_id]
        approvals, roles = await lock_approvals(connection, approval_ids, deciders) if approval_ids else ({}, {})
        account_ids = {id_ for command in commands for id_ in command.account_ids}
        accounts = {row["id"]: Account(*row) async for row in queries.lock_accounts(connection, ids=list(account_ids))}
        # The clocks of processes may differ, but the entries of an account have to be in the order of their times.
        now = max([self._clock.now(), *(account.updated_at for account in accounts.values() if account.updated_at)])
        return Batch(
            accounts,
            known,
            now,
            originals=await _originals(connection, [id_ for command in new for id_ in command.original_ids]),
            holds=await _holds(connection, [id_ for command in new for id_ in command.hold_ids]),
            approvals=approvals,
            roles=roles,
            # Most commands have one transaction; those with lists or fees have more.
            ids=chain(uuid7s(len(commands)), iter(uuid7, None)),
        )

    async def _notify(
        self,
        batch: Batch,
        queued: Sequence[_QueuedCommand],
        outcomes: Sequence[Outcome | BankError],
        events: Iterable[RecordedEvent],
        committed_at: float,
    ) -> None:
        """Publish `events`, write the accounts to the cache, and then set the outcomes of the callers."""
        for command, error in batch.broken:
            request = command.context.correlation_id if command.context else None
            logger.error("decision_failed", operation=command.operation, correlation_id=request, exc_info=error)
        try:
            if events:
                await asyncio.sleep(0)  # lets the next batch send its first statement
                self._publish(events, committed_at)
            if accounts := batch.accounts_to_cache:
                await self._write_through(accounts)
        except BankError as error:
            # The batch is committed, but other workers may still serve older balances. So the callers get the error.
            _fail(queued, error)
        except Exception:  # a bug: the batch is committed, so that the callers get their outcomes
            logger.exception("write_through_failed")
        finally:
            for number, (one, outcome) in enumerate(zip(queued, outcomes, strict=True), start=1):
                if isinstance(outcome, BankError):
                    _fail([one], outcome)
                elif not one.outcome.done():
                    one.outcome.set_result(outcome)
                if number % RESPONSES_PER_TURN == 0:
                    await asyncio.sleep(0)


async def _originals(connection: Any, ids: list[UUID]) -> dict[UUID, Original]:
    if not ids:
        return {}
    return {row["id"]: Original(*row) async for row in queries.find_originals(connection, ids=ids)}


async def _holds(connection: Any, ids: list[UUID]) -> dict[UUID, Hold]:
    if not ids:
        return {}
    return {row["id"]: Hold(*row) async for row in queries.find_holds(connection, ids=ids)}


def _fail(batch: Sequence[_QueuedCommand], error: BankError) -> None:
    for queued in batch:
        if not queued.outcome.done():
            # A new instance for each caller, because a shared one would collect the tracebacks of all.
            queued.outcome.set_exception(type(error)(error.message))
