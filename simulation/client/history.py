"""The history of requests and responses: in memory for the checks, and one JSON line each in `history.jsonl`.

The file contains no password, token or CPF, because people are numbers in it and only named fields are written.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Self, TextIO

from simulation.model.answers import Answer, Page, Tokens
from simulation.model.attacks import AttackRequest
from simulation.model.attempts import Attempt, Outcome, Sent
from simulation.model.operations import Operation


class History:
    """A context manager that records all attempts in the order of sending. The file is complete after its end."""

    def __init__(self, path: Path | None = None, clock: Callable[[], int] = monotonic_ns) -> None:
        self.attempts: list[Attempt] = []
        self.attack_requests: list[AttackRequest] = []
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
        """Record a request just before it is sent."""
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
        """Record the end of a request. `cache` is the Cache-Status of the answer."""
        attempt.ended_ns = self._clock()
        attempt.outcome, attempt.code, attempt.answer = outcome, code, answer
        attempt.replayed, attempt.correlation_id, attempt.cache = replayed, correlation_id, cache
        # Equal answers share one copy, because most reads have the same answers.
        attempt.body = None if body is None else self._bodies.setdefault(body, body)
        rest: dict[str, object] = {"code": code, "correlation_id": correlation_id, "replayed": replayed, "cache": cache}
        rest["answer"] = _visible(answer)
        self._write(attempt, outcome, attempt.ended_ns, {k: v for k, v in rest.items() if v is not None})

    def record_attack(self, request: AttackRequest) -> None:
        """Record a request of an attack with its answer."""
        self.attack_requests.append(request)
        if self._file is None:
            return
        line = {
            "at_us": (request.invoked_ns - self._began_ns) // 1_000,
            "is": "attack",
            "attack": request.attack.index,
            "kind": request.attack.kind.value,
            "step": request.step,
            "worker": request.worker,
            "took_us": (request.ended_ns - request.invoked_ns) // 1_000,
            "status": request.status,
            "codes": request.codes,
            "correlation_id": request.correlation_id,
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

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
    """Return the part of an answer that may be written to the file: no tokens, and no cursor of a page."""
    if answer is None or isinstance(answer, Tokens):
        return None
    if isinstance(answer, Page):
        edges = [[edge.transaction_id, edge.change_minor, edge.balance_after_minor] for edge in answer.edges]
        return {"account_id": answer.account_id, "balance_minor": answer.balance_minor, "edges": edges}
    return asdict(answer)
