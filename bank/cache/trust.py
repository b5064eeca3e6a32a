"""Trust in Redis: may this worker believe it at this moment, and in which epoch (decision 0019).

It may only as long as it can prove that it hears what other workers could not tell Redis: for `TRUST_S` after the
beginning of its latest heartbeat. Who waits for this worker to hear something waits no longer than that.
"""

import time
from collections.abc import Callable
from typing import Protocol

from bank.cache.epoch import Epoch

# Three heartbeats and a half: one that is late on a busy machine does not cost the cache. As long as this, those wait
# who could not tell Redis something, for a worker that has died.
TRUST_S = 0.7


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_time_s() -> float:
    """Return seconds that also pass while the machine sleeps, where the system knows them."""
    return time.clock_gettime(_CLOCK)


class Trust(Protocol):
    """Says which epoch is to be believed."""

    def current(self) -> Epoch | None:
        """Return the epoch to work in, or None where Redis is not to be believed."""

    def holds(self, epoch: Epoch) -> bool:
        """Return whether what Redis has just said or been told in this epoch counts."""

    def lose(self, epoch: Epoch) -> None:
        """Note that Redis does not have what was written in this epoch."""


class CacheTrust:
    """The trust of a worker that hears the others, renewed by each heartbeat."""

    def __init__(self, clock_s: Callable[[], float] = boot_time_s) -> None:
        self.clock_s = clock_s
        self._epoch: Epoch | None = None
        self._until_s = 0.0
        self._lost = -1
        self._on_loss: Callable[[], None] = lambda: None

    def on_loss(self, listener: Callable[[], None]) -> None:
        """Call `listener` when an epoch is lost."""
        self._on_loss = listener

    def current(self) -> Epoch | None:
        """Return the epoch to work in, or None where Redis is not to be believed."""
        return self._epoch if self.clock_s() < self._until_s else None

    def holds(self, epoch: Epoch) -> bool:
        """Return whether what Redis has just said or been told in this epoch counts."""
        return self._epoch is epoch and self.clock_s() < self._until_s

    def is_lost(self, number: int) -> bool:
        """Return whether Redis is known not to have this epoch."""
        return number <= self._lost

    def renew(self, number: int, name: str, until_s: float) -> None:
        """Believe this epoch until then, unless it is lost."""
        if self.is_lost(number):
            return
        if self._epoch is None or self._epoch.number != number:
            self._epoch = Epoch(number, name)
        self._until_s = until_s

    def revoke(self) -> None:
        """Believe nothing until the next heartbeat has come back."""
        self._epoch = None

    def lose(self, epoch: Epoch) -> None:
        """Note that Redis does not have what was written in this epoch: it is never believed again."""
        self._lost = max(self._lost, epoch.number)
        if self._epoch is not None and self.is_lost(self._epoch.number):
            self._epoch = None
        self._on_loss()


class FixedTrust:
    """The trust of a command that works in one epoch, and only writes what was committed before it began."""

    def __init__(self) -> None:
        self.epoch: Epoch | None = None

    def current(self) -> Epoch | None:
        """Return the epoch, once there is one."""
        return self.epoch

    def holds(self, epoch: Epoch) -> bool:
        """Return whether this is the epoch."""
        return self.epoch is epoch

    def lose(self, epoch: Epoch) -> None:
        """Work in no epoch any more."""
        if self.epoch is epoch:
            self.epoch = None
