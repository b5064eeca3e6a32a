"""Trust in Redis: whether this worker may use the cached values at a moment, and in which epoch (decision 0019).

A worker trusts Redis only while it certainly receives the invalidations that other workers could not write to Redis:
for `TRUST_S` after the start of its last heartbeat. So no other worker waits longer than that for it.
"""

import time
from collections.abc import Callable
from typing import Protocol

from bank.cache.epoch import Epoch

# Three and a half heartbeats, so that a late heartbeat on a busy machine does not disable the cache. A worker that
# could not write an invalidation to Redis waits for this time if another worker has crashed.
TRUST_S = 0.7


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_time_s() -> float:
    """Return the seconds since the boot; if the system provides it, with the time in which the machine slept."""
    return time.clock_gettime(_CLOCK)


class Trust(Protocol):
    """The epoch that is trusted at present."""

    def current(self) -> Epoch | None:
        """Return the trusted epoch, or None if Redis is not trusted."""

    def holds(self, epoch: Epoch) -> bool:
        """Return whether an epoch is still trusted, so that a call that has just ended in it is valid."""

    def lose(self, epoch: Epoch) -> None:
        """Note that Redis has lost values of this epoch."""


class CacheTrust:
    """The trust of a worker, renewed by each heartbeat."""

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
        """Return the trusted epoch, or None if Redis is not trusted."""
        return self._epoch if self.clock_s() < self._until_s else None

    def holds(self, epoch: Epoch) -> bool:
        """Return whether an epoch is still trusted, so that a call that has just ended in it is valid."""
        return self._epoch is epoch and self.clock_s() < self._until_s

    def is_lost(self, number: int) -> bool:
        """Return whether Redis is known to have lost values of this epoch."""
        return number <= self._lost

    def renew(self, number: int, name: str, until_s: float) -> None:
        """Trust this epoch until the time `until_s`, unless it is lost."""
        if self.is_lost(number):
            return
        if self._epoch is None or self._epoch.number != number:
            self._epoch = Epoch(number, name)
        self._until_s = until_s

    def revoke(self) -> None:
        """Trust no epoch until the next heartbeat."""
        self._epoch = None

    def lose(self, epoch: Epoch) -> None:
        """Note that Redis has lost values of this epoch, which is never trusted again."""
        self._lost = max(self._lost, epoch.number)
        if self._epoch is not None and self.is_lost(self._epoch.number):
            self._epoch = None
        self._on_loss()


class FixedTrust:
    """The trust of a command that works in one epoch, and writes only what was committed before the epoch began."""

    def __init__(self) -> None:
        self.epoch: Epoch | None = None

    def current(self) -> Epoch | None:
        """Return the epoch, or None before it is set or after it is lost."""
        return self.epoch

    def holds(self, epoch: Epoch) -> bool:
        """Return whether this is the epoch."""
        return self.epoch is epoch

    def lose(self, epoch: Epoch) -> None:
        """Stop trusting the epoch."""
        if self.epoch is epoch:
            self.epoch = None
