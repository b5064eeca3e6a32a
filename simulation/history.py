"""Requests and responses: in memory for the checks, and one JSON line each in `history.jsonl`.

No password, no token and no CPF is in it: people are numbers, and only fields that are named here are written.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Self, TextIO

from simulation.client.answers import Answer, Page, Tokens
from simulation.plan.model import Operation
from simulation.result import Outcome


@dataclass(frozen=True, slots=True)
class Sent:
    """The content of a request, as far as the bank's decision depends on it.

    `about_id` is a hold or a transaction; `since` and `until` are the instants of a statement, `expires_at` is that of
    a hold, `after` the cursor that a page comes after, `text`
    a description or a reason.
    """

    account_id: str | None = None
    account_number: str | None = None
    target_number: str | None = None
    amount: str | None = None
    currency: str | None = None
    about_id: str | None = None
    items: tuple["Sent", ...] = ()
    atomic: bool | None = None
    since: str | None = None
    until: str | None = None
    expires_at: str | None = None
    after: str | None = None
    text: str | None = None


@dataclass(slots=True, eq=False)
class Attempt:
    """One request of an operation. `number` is 1 for the first, more for what was tried again.

    Times are of one monotonic clock, in nanoseconds. `ok` and `refused` are the bank's word; `unknown` means that it
    may have happened or not; `error` that the bank answered as it never should, and that it may have happened as well.
    `took_ns` is the exchange of request and answer alone, without what the client does before and after. `body` is the
    answer as it came, for whoever looks at every field of it; it is never written down, since tokens are in some.
    """

    operation: Operation
    number: int
    worker: int
    sent: Sent
    invoked_ns: int
    ended_ns: int = 0
    outcome: Outcome = "unknown"
    code: str | None = None
    answer: Answer | None = None
    replayed: bool | None = None
    correlation_id: str | None = None
    cache: str | None = None
    took_ns: int = 0
    body: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Say which request it was, for a violation's text."""
        o = self.operation
        arm = f", {o.arm}" if o.arm else ""
        trace = f", correlation id {self.correlation_id}" if self.correlation_id else ""
        return f"operation {o.index} ({o.kind}{arm}, person {o.person}, worker {self.worker}{trace})"


class History:
    """Every attempt, in the order of being sent. Use as a context manager; the file is complete once it is closed."""

    def __init__(self, path: Path | None = None, clock: Callable[[], int] = monotonic_ns) -> None:
        self.attempts: list[Attempt] = []
        self._path = path
        self._file: TextIO | None = None
        self._clock = clock
        self._began_ns = clock()
        self._bodies: dict[bytes, bytes] = {}

    def __enter__(self) -> Self:
        """Open the file."""
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def invoke(self, operation: Operation, *, number: int, worker: int, sent: Sent) -> Attempt:
        """Record that a request is about to be sent."""
        attempt = Attempt(operation, number, worker, sent, self._clock())
        self.attempts.append(attempt)
        self._write(attempt, "invoke", attempt.invoked_ns, _said(asdict(sent)))
        return attempt

    def end(
        self,
        attempt: Attempt,
        outcome: Outcome,
        *,
        code: str | None = None,
        answer: Answer | None = None,
        replayed: bool | None = None,
        correlation_id: str | None = None,
        cache: str | None = None,
        body: bytes | None = None,
    ) -> None:
        """Record how the request ended. `cache` is the answer's Cache-Status."""
        attempt.ended_ns = self._clock()
        attempt.outcome, attempt.code, attempt.answer = outcome, code, answer
        attempt.replayed, attempt.correlation_id, attempt.cache = replayed, correlation_id, cache
        # Most reads are answered alike: one copy of each answer is enough.
        attempt.body = None if body is None else self._bodies.setdefault(body, body)
        rest: dict[str, object] = {"code": code, "correlation_id": correlation_id, "replayed": replayed, "cache": cache}
        rest["answer"] = _visible(answer)
        self._write(attempt, outcome, attempt.ended_ns, {k: v for k, v in rest.items() if v is not None})

    def _write(self, attempt: Attempt, word: str, at_ns: int, rest: Mapping[str, object]) -> None:
        if self._file is None:
            return
        operation = attempt.operation
        line = {
            "at_us": (at_ns - self._began_ns) // 1_000,
            "is": word,
            "operation": operation.index,
            "attempt": attempt.number,
            "kind": operation.kind.value,
            "intent": operation.intent.value,
            "person": operation.person,
            "worker": attempt.worker,
            **({"key": operation.key} if operation.key else {}),
            **({"arm": operation.arm} if operation.arm else {}),
            **rest,
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _said(content: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in content.items() if value not in (None, ())}


def _visible(answer: Answer | None) -> Mapping[str, object] | None:
    """Return what of an answer may be written down: no tokens; of a page the lines, without its cursor."""
    if answer is None or isinstance(answer, Tokens):
        return None
    if isinstance(answer, Page):
        edges = [[edge.transaction_id, edge.change_minor, edge.balance_after_minor] for edge in answer.edges]
        return {"account_id": answer.account_id, "balance_minor": answer.balance_minor, "edges": edges}
    return asdict(answer)
