"""The execution of one operation of the plan: its request, its retries, and the answers that later requests need.

After a time-out, a broken connection or a full queue, the same request is sent again with the same key to the next
worker, a bounded number of times.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from simulation.client.account_requests import NoNextPageError, NotSendableError
from simulation.client.authenticator import Authenticator
from simulation.client.history import History
from simulation.client.replies import ParsedReply, parse_reply
from simulation.client.requests import RequestComposer, aliased
from simulation.client.send import BankClient, Reply
from simulation.client.tokens import TokenStore
from simulation.model.answers import HoldReceipt, OpenedAccount, OtherPage, Page, Statement, Tokens
from simulation.model.attempts import Attempt, Outcome
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.plan import Plan
from simulation.model.progress import Progress
from simulation.model.result import OperationSample, Phase

IN_FLIGHT_MAX = 512
"""The bound of requests in flight. Further requests wait, and their wait counts as latency; more sockets would only
test the client."""

ATTEMPTS_MAX = 9
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
"""Nine attempts wait about nine seconds in total, longer than a killed worker needs to be back."""
REFRESH_ATTEMPTS_MAX = 3
"""With the time-out of a request, three attempts take less than the 30 seconds in which a refresh can be repeated."""


@dataclass(frozen=True, slots=True)
class _Timing:
    operation: Operation
    intended_ns: int
    ended_ns: int
    took_ns: int
    outcome: Outcome


class OperationExecutor:
    """An executor of the operations of one plan, each at most once."""

    def __init__(
        self,
        plan: Plan,
        client: BankClient,
        history: History,
        progress: Progress,
        authenticators: Mapping[int, Authenticator],
    ) -> None:
        self._client = client
        self._history = history
        self._progress = progress
        self._people = plan.people
        self._random = Random(f"{plan.seed} backoff")
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._ended = {needed.index: asyncio.Event() for operation in plan.operations for needed in operation.awaited}
        self._aliases = {o.follows: o for o in plan.operations if o.intent is Intent.ALIAS}
        self._referenced = {operation.about for operation in plan.operations}
        self._timings: list[_Timing] = []
        self.tokens = TokenStore(plan.people, client, authenticators)
        self.requests = RequestComposer(plan)
        self.unsent: list[tuple[Operation, str]] = []
        self.drive_began_ns: int | None = None

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
            if operation.phase in {"recovery", "idle", "final"}
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

    async def execute(self, operation: Operation, intended_ns: int) -> None:
        """Send an operation when the answers that it needs are there, until it has an answer or no attempt is left."""
        for needed in operation.awaited:
            await self._ended[needed.index].wait()
        if operation.life_ms is not None and operation.kind in {Kind.CAPTURE, Kind.RELEASE}:
            await self._wait_for_expiry(operation, operation.life_ms)
        try:
            async with self._slots:
                ended = await self._send_until_answered(operation)
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

    async def _wait_for_expiry(self, operation: Operation, later_ms: int) -> None:
        """Wait until `later_ms` after the expiry of the operation's hold, independent of the creation of the hold."""
        held = None if operation.about is None else self.requests.answers.get(operation.about.index)
        if isinstance(held, HoldReceipt):
            left = datetime.fromisoformat(held.hold.expires_at) - datetime.now(UTC)
            await asyncio.sleep(max(0.0, left.total_seconds() + later_ms / 1000))

    async def _send_until_answered(self, operation: Operation) -> Sequence[Attempt]:
        """Send an operation until it is answered; return the last attempt, and that of its alias if it has one."""
        number = 1
        while True:
            worker = (operation.slot + number - 1) % self._client.workers
            if operation.kind in {Kind.LOGIN, Kind.REFRESH}:
                async with self.tokens.lock(operation.person):
                    attempts, token = await self._send(operation, number, worker)
            else:
                attempts, token = await self._send(operation, number, worker)
            if number >= ATTEMPTS_MAX or not await self._should_retry(attempts[0], token, worker):
                return attempts
            number += 1

    async def _send(self, operation: Operation, number: int, worker: int) -> tuple[Sequence[Attempt], str | None]:
        alias = self._aliases.get(operation)
        request = self.requests.compose(operation, self.tokens)
        token = self._token(operation)
        attempts = [self._history.invoke(operation, number=number, worker=worker, sent=request.sent)]
        if alias is not None:
            second = self.requests.compose(alias, self.tokens)
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
            address=self._people[operation.person].address,
        )
        for attempt, name in zip(attempts, (None,) if alias is None else ("one", "two"), strict=True):
            self._end(attempt, reply, parse_reply(operation.kind, reply, alias=name), token)
        return attempts, token

    def _end(self, attempt: Attempt, reply: Reply, parsed: ParsedReply, token: str | None) -> None:
        self._history.end(
            attempt,
            parsed.outcome,
            code=parsed.code,
            answer=parsed.answer,
            replayed=parsed.replayed,
            correlation_id=reply.correlation_id,
            cache=reply.cache,
            body=reply.body,
        )
        attempt.took_ns = reply.took_ns
        self._store_answer(attempt.operation, parsed, token)

    def _token(self, operation: Operation) -> str | None:
        if operation.intent is Intent.CLOSED_TOKEN:
            closed = self.tokens.closed.get(operation.person)
            if closed is None:
                raise NotSendableError("the session was not closed")
            return closed
        if operation.intent is Intent.NO_TOKEN or operation.kind in {Kind.REGISTER, Kind.LOGIN, Kind.REFRESH}:
            return None
        return self.tokens.token(operation.person)

    def _store_answer(self, operation: Operation, parsed: ParsedReply, token: str | None) -> None:
        """Store the parts of an answer that later requests need: tokens, accounts, cursors, holds and transactions."""
        answer = parsed.answer
        if isinstance(answer, Tokens):
            self.tokens.store(operation.person, answer)
        elif isinstance(answer, OpenedAccount) and operation.account is not None:
            self.requests.accounts.setdefault(operation.account, answer)
        elif isinstance(answer, Page | Statement | OtherPage) and answer.end_cursor is not None:
            self.requests.cursors[operation.index] = answer.end_cursor
        elif answer is not None and operation in self._referenced:
            self.requests.answers[operation.index] = answer
        closed = parsed.outcome == "ok" or parsed.code == "UNAUTHENTICATED"
        if operation.kind is Kind.LOGOUT and closed:
            self.tokens.close_session(operation.person, token)

    async def _should_retry(self, attempt: Attempt, token: str | None, worker: int) -> bool:
        """Return whether to send this request again, after the backoff of a person."""
        operation = attempt.operation
        if attempt.outcome == "ok" or operation.intent is Intent.CLOSED_TOKEN:
            return False
        if attempt.code == "UNAUTHENTICATED":
            if operation.intent is Intent.NO_TOKEN or operation.kind in {Kind.LOGOUT, Kind.LOGIN, Kind.REFRESH}:
                return False
            if operation.phase == "final":
                return False  # the books were read before, so they would not contain a new session
            if await self.tokens.renew(operation.person, token, worker=worker):
                return True
        elif attempt.outcome == "refused" and attempt.code != "OVERLOADED":
            return False
        if operation.kind is Kind.REFRESH and attempt.number >= REFRESH_ATTEMPTS_MAX:
            await self.tokens.renew(operation.person, self.tokens.token(operation.person), worker=worker)
            return False
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt.number - 1))
        await asyncio.sleep(ceiling_s * self._random.uniform(0.5, 1.0))
        return True
