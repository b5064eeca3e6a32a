"""Attempts: requests as they were sent and answered."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from simulation.model.answers import Answer
from simulation.model.operations import Operation

Outcome: TypeAlias = Literal["ok", "refused", "unknown", "error"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The content of a request, as far as the bank's decision depends on it.

    `about_id` is a hold or a transaction. `since` and `until` are the instants of a statement, and `expires_at` is the
    end of a hold. `after` is the cursor after which a page begins. `text` is a description or a reason.
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
    """One request of an operation. `number` is 1 for the first request, and more for a retry.

    Times are of one monotonic clock, in nanoseconds. The outcomes `ok` and `refused` are the bank's answer. `unknown`
    means that the effect may have happened or not. `error` means that the answer violates the contract, and that the
    effect may have happened as well. `took_ns` is the time between request and answer alone, without the work of the
    client before and after. `body` is the raw answer, for the check of every field; it is never written to a file,
    because some answers contain tokens.
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
        """Return a text that identifies the request, for a violation."""
        o = self.operation
        arm = f", {o.arm}" if o.arm else ""
        trace = f", correlation id {self.correlation_id}" if self.correlation_id else ""
        return f"operation {o.index} ({o.kind}{arm}, person {o.person}, worker {self.worker}{trace})"
