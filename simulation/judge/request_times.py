"""The times of requests and acknowledgements, by idempotency key, on the clock of the attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from simulation.judge.effects import RequestKey
from simulation.model.attempts import Attempt

BRASILIA = timedelta(hours=-3)
"""The offset of the time zone in which the days of the limits begin."""

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Window:
    """The period from the first request with a key to an answer, in which the bank decided the request."""

    begin_ns: int
    end_ns: int


class RequestTimes:
    """The times of the requests. `epoch_ns` is 1970 on the clock of the attempts."""

    def __init__(self, by_key: Mapping[RequestKey, Sequence[Attempt]], epoch_ns: int) -> None:
        self._by_key = by_key
        self.epoch_ns = epoch_ns

    def window(self, attempt: Attempt) -> Window:
        """Return the period in which the request was decided."""
        same = self._by_key.get((attempt.operation.person, attempt.operation.key or ""), [attempt])
        return Window(min([attempt.invoked_ns, *(a.invoked_ns for a in same)]), attempt.ended_ns)

    def requested_ns(self, request_key: RequestKey) -> int:
        """Return the time of the first request with a key."""
        return min(attempt.invoked_ns for attempt in self._by_key[request_key])

    def acknowledged_ns(self, request_key: RequestKey) -> float:
        """Return the time of the first response that acknowledged the request of a key."""
        return self._acknowledged.get(request_key, NEVER)

    @cached_property
    def _acknowledged(self) -> Mapping[RequestKey, float]:
        return {
            request_key: min((attempt.ended_ns for attempt in attempts if attempt.outcome == "ok"), default=NEVER)
            for request_key, attempts in self._by_key.items()
        }

    def moment_ns(self, instant: str) -> float:
        """Convert an instant of the bank's clock (RFC 3339) to the clock of the attempts."""
        return datetime.fromisoformat(instant).timestamp() * 1e9 + self.epoch_ns

    def day(self, moment_ns: int) -> date:
        """Return the day of the limits at a time of the clock of the attempts."""
        return (datetime.fromtimestamp((moment_ns - self.epoch_ns) / 1e9, UTC) + BRASILIA).date()
