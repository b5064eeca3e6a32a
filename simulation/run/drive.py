"""The driver, which sends the operations of the plan at their intended starts, independent of the speed of the bank.

This is an open loop: the start of a request does not wait for the answers to others, and latency counts from the
intended start, so a stall of the bank is visible in every request that it delays. After a time-out, a broken connection
or a full queue, the same request is sent again with the same key, a bounded number of times, to the next worker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from random import Random
from time import monotonic_ns

from simulation.client.access import Access
from simulation.client.endings import Ending, understand
from simulation.client.history import History
from simulation.client.orders import NoNextPageError, NotSendableError
from simulation.client.requests import Requests, aliased
from simulation.client.send import BankClient, Reply
from simulation.model.answers import Held, Opened, Page, Seen, Statement, Tokens
from simulation.model.attempts import Attempt, Outcome
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.plan import Plan
from simulation.model.progress import Progress
from simulation.model.result import OperationSample, Phase

IN_FLIGHT_MAX = 512
"""The bound of requests in flight. Further requests wait, and their wait counts as latency; more sockets would only
test the client."""

SETUP_IN_FLIGHT = 8
"""The number of concurrent setups. A registration needs 45 ms of a processor, so more would only wait for it."""

ATTEMPTS_MAX = 9
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
"""Nine attempts wait about nine seconds in total, longer than a killed worker needs to be back."""

OVERTIME_STEP_S = 5.0
"""The time between two evaluations of the criteria in overtime, because one takes some tenths of a second."""


@dataclass(frozen=True, slots=True)
class _Timing:
    operation: Operation
    intended_ns: int
    ended_ns: int
    took_ns: int
    outcome: Outcome


class Driver:
    """A driver that executes a plan once against a bank."""

    def __init__(self, plan: Plan, client: BankClient, history: History, *, progress: Progress | None = None) -> None:
        self.plan = plan
        self._client = client
        self._history = history
        self._progress = progress or Progress()
        self._random = Random(f"{plan.seed} backoff")
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._ended = {needed.index: asyncio.Event() for operation in plan.operations for needed in operation.awaited}
        self._aliases = {o.follows: o for o in plan.operations if o.intent is Intent.ALIAS}
        self._asked_about = {operation.about for operation in plan.operations}
        self._timings: list[_Timing] = []
        self.access = Access(plan.people, client)
        self.requests = Requests(plan)
        self.unsent: list[tuple[Operation, str]] = []
        self.drive_began_ns: int | None = None

    async def set_up(self) -> None:
        """Register all people, and open and fund their accounts: some people at once, the steps of each in order."""
        setup = self.plan.setup
        self._progress.step("Registering people, opening and funding accounts", len(setup))
        await self._perform(setup[0], monotonic_ns())
        limit = asyncio.Semaphore(SETUP_IN_FLIGHT)

        async def one_customer(chain: Sequence[Operation]) -> None:
            async with limit:
                for _, group in groupby(chain, lambda o: (o.key or o.kind, o.intent is Intent.REPLAY)):
                    await asyncio.gather(*(self._perform(operation, monotonic_ns()) for operation in group))

        async with asyncio.TaskGroup() as group:
            for _, chain in groupby(setup[1:], self._customer_of):
                group.create_task(one_customer(list(chain)))

    def _customer_of(self, operation: Operation) -> int:
        if operation.kind is Kind.DEPOSIT and operation.account is not None:
            return self.plan.accounts[operation.account].person
        return operation.person

    async def warm_up(self) -> None:
        """Execute the warm-up; return when the last request has ended."""
        if self.plan.warmup:
            self._progress.step("Trying what people seldom do")
            await self._start(self.plan.warmup, monotonic_ns())

    async def drive(self) -> None:
        """Start every operation of the drive at its intended start; return when the last one has ended."""
        operations = self.plan.drive
        self._progress.drive(self.plan.duration_s, "People bank")
        self.drive_began_ns = monotonic_ns()
        await self._start(operations, self.drive_began_ns)

    async def _start(self, operations: Sequence[Operation], began_ns: int) -> None:
        async with asyncio.TaskGroup() as group:
            for operation in operations:
                if operation.intent is Intent.ALIAS:
                    continue
                intended_ns = began_ns + operation.at_ns
                wait_s = (intended_ns - monotonic_ns()) / 1e9
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                group.create_task(self._perform(operation, intended_ns))

    async def go_on(self, is_decided: Callable[[], Awaitable[bool]]) -> float:
        """Continue the drive with the overtime until `is_decided`; return the seconds that it took.

        `is_decided` is called before the first operation and after every `OVERTIME_STEP_S`.
        """
        duration_ns = round(self.plan.duration_s * 1e9)
        step_ns = round(OVERTIME_STEP_S * 1e9)
        driven_ns = 0
        for _, operations in groupby(self.plan.overtime, lambda o: (o.at_ns - duration_ns) // step_ns):
            if await is_decided():
                break
            if not driven_ns:
                self._progress.step("People bank for longer, until the success criteria are decided")
            chunk = list(operations)
            begin_ns = duration_ns + (chunk[0].at_ns - duration_ns) // step_ns * step_ns
            await self._start(chunk, monotonic_ns() - begin_ns)
            driven_ns = begin_ns + step_ns - duration_ns
        return min(driven_ns / 1e9, self.plan.overtime_s)

    async def heal(self, is_over: Callable[[], bool]) -> None:
        """Send the probes until `is_over`; return when the last one has ended."""
        operations = self.plan.heal
        if not operations or is_over():
            return
        self._progress.step("Waiting until the service is back")
        began_ns = monotonic_ns()
        async with asyncio.TaskGroup() as group:
            for operation in operations:
                await asyncio.sleep(max(0.0, (began_ns + operation.at_ns - monotonic_ns()) / 1e9))
                if is_over():
                    return
                group.create_task(self._perform(operation, began_ns + operation.at_ns))

    async def burst(self, number: int) -> None:
        """Send one burst of last postings at once; return when all are answered."""
        async with asyncio.TaskGroup() as group:
            for operation in self.plan.bursts[number]:
                group.create_task(self._perform(operation, monotonic_ns()))

    async def read_finally(self) -> None:
        """Send the final reads, all at once; return when all are answered."""
        self._progress.step("Looking for the last time", len(self.plan.final_reads))
        await self._start(self.plan.final_reads, monotonic_ns())

    def samples(self) -> tuple[OperationSample, ...]:
        """Return one sample for each operation that was sent, in the order of their ends."""
        return tuple(self._sample(timing) for timing in self._timings)

    def _sample(self, timing: _Timing) -> OperationSample:
        operation = timing.operation
        zero_ns = self.drive_began_ns or timing.intended_ns
        phase: Phase = (
            "setup"
            if operation.phase in {"setup", "warmup"}
            else "drain"
            if operation.phase in {"heal", "rest", "final"}
            else "drive"
        )
        return OperationSample(
            operation=operation.kind.value,
            arm=operation.arm,
            phase=phase,
            intended_start_s=(timing.intended_ns - zero_ns) / 1e9,
            latency_ms=(timing.ended_ns - timing.intended_ns) / 1e6,
            service_ms=timing.took_ns / 1e6,
            outcome=timing.outcome,
        )

    async def _perform(self, operation: Operation, intended_ns: int) -> None:
        for needed in operation.awaited:
            await self._ended[needed.index].wait()
        if operation.life_ms is not None and operation.kind in {Kind.CAPTURE, Kind.RELEASE}:
            await self._until_after_its_end(operation, operation.life_ms)
        try:
            async with self._slots:
                ended = await self._attempts(operation)
        except NoNextPageError:
            pass  # expected for a history that is read to its end
        except NotSendableError as reason:
            self.unsent.append((operation, str(reason)))
        else:
            for last in ended:
                timing = _Timing(last.operation, intended_ns, last.ended_ns, last.took_ns, last.outcome)
                self._timings.append(timing)
                self._progress.record([self._sample(timing)])
                self._progress.advance()
        finally:
            if operation.index in self._ended:
                self._ended[operation.index].set()

    async def _until_after_its_end(self, operation: Operation, later_ms: int) -> None:
        """Wait until `later_ms` after the expiry of the operation's hold, independent of the creation of the hold."""
        held = None if operation.about is None else self.requests.answers.get(operation.about.index)
        if isinstance(held, Held):
            left = datetime.fromisoformat(held.hold.expires_at) - datetime.now(UTC)
            await asyncio.sleep(max(0.0, left.total_seconds() + later_ms / 1000))

    async def _attempts(self, operation: Operation) -> Sequence[Attempt]:
        """Send an operation until it is answered; return the last attempt, and that of its alias if it has one."""
        number = 1
        while True:
            worker = (operation.slot + number - 1) % self._client.workers
            if operation.kind in {Kind.LOGIN, Kind.REFRESH}:
                async with self.access.lock(operation.person):
                    attempts, token = await self._send(operation, number, worker)
            else:
                attempts, token = await self._send(operation, number, worker)
            if number >= ATTEMPTS_MAX or not await self._try_again(attempts[0], token, worker):
                return attempts
            number += 1

    async def _send(self, operation: Operation, number: int, worker: int) -> tuple[Sequence[Attempt], str | None]:
        refresh_token = self.access.refresh_token(operation.person)
        request, alias = (
            self.requests.compose(operation, refresh_token=refresh_token),
            self._aliases.get(operation),
        )
        token = self._token(operation)
        attempts = [self._history.invoke(operation, number=number, worker=worker, sent=request.sent)]
        if alias is not None:
            second = self.requests.compose(alias, refresh_token=None)
            attempts.append(self._history.invoke(alias, number=number, worker=worker, sent=second.sent))
            request = aliased(request, second)
        reply = await self._client.send(
            operation.kind,
            request.variables,
            worker=worker,
            token=token,
            fresh=operation.arm == "uncached",
            document=request.document,
            respelled=request.respelled,
        )
        for attempt, name in zip(attempts, (None,) if alias is None else ("one", "two"), strict=True):
            self._end(attempt, reply, understand(operation.kind, reply, alias=name), token)
        return attempts, token

    def _end(self, attempt: Attempt, reply: Reply, ending: Ending, token: str | None) -> None:
        self._history.end(
            attempt,
            ending.outcome,
            code=ending.code,
            answer=ending.answer,
            replayed=ending.replayed,
            correlation_id=reply.correlation_id,
            cache=reply.cache,
            body=reply.body,
        )
        attempt.took_ns = reply.took_ns
        self._learn(attempt.operation, ending, token)

    def _token(self, operation: Operation) -> str | None:
        if operation.intent is Intent.CLOSED_TOKEN:
            closed = self.access.closed.get(operation.person)
            if closed is None:
                raise NotSendableError("the session was not closed")
            return closed
        if operation.intent is Intent.NO_TOKEN or operation.kind in {Kind.REGISTER, Kind.LOGIN, Kind.REFRESH}:
            return None
        return self.access.token(operation.person)

    def _learn(self, operation: Operation, ending: Ending, token: str | None) -> None:
        """Store the parts of an answer that later requests need: tokens, accounts, cursors, holds and transactions."""
        answer = ending.answer
        if isinstance(answer, Tokens):
            self.access.enter(operation.person, answer)
        elif isinstance(answer, Opened) and operation.account is not None:
            self.requests.accounts.setdefault(operation.account, answer)
        elif isinstance(answer, Page | Statement | Seen) and answer.end_cursor is not None:
            self.requests.cursors[operation.index] = answer.end_cursor
        elif answer is not None and operation in self._asked_about:
            self.requests.answers[operation.index] = answer
        closed = ending.outcome == "ok" or ending.code == "UNAUTHENTICATED"
        if operation.kind is Kind.LOGOUT and closed:
            self.access.leave(operation.person, token)

    async def _try_again(self, attempt: Attempt, token: str | None, worker: int) -> bool:
        """Return whether to send this request again, after the backoff of a person."""
        operation = attempt.operation
        if attempt.outcome == "ok" or operation.intent is Intent.CLOSED_TOKEN:
            return False
        if attempt.code == "UNAUTHENTICATED":
            if operation.intent is Intent.NO_TOKEN or operation.kind in {Kind.LOGOUT, Kind.LOGIN, Kind.REFRESH}:
                return False
            if operation.phase == "final":
                return False  # the books were read before, so they would not contain a new session
            if await self.access.renew(operation.person, token, worker=worker):
                return True
        elif attempt.outcome == "refused" and attempt.code != "OVERLOADED":
            return False
        if operation.kind is Kind.REFRESH:
            # A refresh token works once, so a retry cannot show whether the first use succeeded.
            await self.access.renew(operation.person, self.access.token(operation.person), worker=worker)
            return False
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt.number - 1))
        await asyncio.sleep(ceiling_s * self._random.uniform(0.5, 1.0))
        return True
