"""A breaker: a Redis that does not answer is not asked for a while, so that its time-out is paid a few times only."""

from collections.abc import Callable
from time import monotonic

# Three time-outs of 50 ms are enough to believe it; a single one may be a lost packet.
FAILURES_TO_OPEN = 3
# Long enough to spare thousands of requests the time-out, short enough that a restart is noticed at once.
OPEN_S = 1.0


class Breaker:
    """Closed: everybody may call. Open: nobody may, until `OPEN_S` have passed; then one call decides."""

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._failures = 0
        self._open_until_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the dependency counts as down."""
        return self._open_until_s is not None

    def allows(self) -> bool:
        """Return whether a call may be made now. While open, lets one call through each `OPEN_S`."""
        if self._open_until_s is None:
            return True
        if self._clock_s() < self._open_until_s:
            return False
        self._open_until_s = self._clock_s() + OPEN_S
        return True

    def succeeded(self) -> None:
        """Note that a call was answered."""
        self._failures = 0
        self._open_until_s = None

    def failed(self) -> None:
        """Note that a call was not answered."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until_s = self._clock_s() + OPEN_S
