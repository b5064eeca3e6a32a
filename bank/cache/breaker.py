"""A circuit breaker: while Redis does not respond, calls fail at once instead of waiting for the time-out."""

from collections.abc import Callable
from time import monotonic

# A single time-out of 50 ms may be a lost packet; three in a row are an outage.
FAILURES_TO_OPEN = 3
# Long enough to spare thousands of requests the time-out, and short enough to notice a restart of Redis soon.
OPEN_S = 1.0


class Breaker:
    """The state of the breaker. Closed: all calls are allowed. Open: none, but one trial call each `OPEN_S` seconds."""

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._failures = 0
        self._open_until_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Return whether calls are blocked because of failures."""
        return self._open_until_s is not None

    def allows(self) -> bool:
        """Return whether a call is allowed now. While open, the breaker allows one call each `OPEN_S` seconds."""
        if self._open_until_s is None:
            return True
        if self._clock_s() < self._open_until_s:
            return False
        self._open_until_s = self._clock_s() + OPEN_S
        return True

    def succeeded(self) -> None:
        """Note that a call succeeded, and close the breaker."""
        self._failures = 0
        self._open_until_s = None

    def failed(self) -> None:
        """Note that a call failed; after `FAILURES_TO_OPEN` in a row, open the breaker."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until_s = self._clock_s() + OPEN_S
