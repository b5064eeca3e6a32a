"""The counting of connections: how many there may be in all and from one address, and which one gives way.

A connection costs a file and some memory before anybody is known. So an address has a bounded number of them, and where
there are too many, those that are waiting for a request give way to new ones: first the oldest of those that never sent
one, then the one that was used longest ago.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Any, Protocol

import structlog

from bank.api.middleware.client_address import Address, Network
from bank.background import BackgroundLoop
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

# Precise enough for bounds of seconds; looking at ten thousand connections takes some milliseconds.
_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on connections in all and from one address; trusted proxies have only the first limit."""

    total: int = 10_000
    per_address: int = 1_000
    trusted: Sequence[Network] = ()


class Connection(Protocol):
    """A connection as it is counted. `key` is what it is counted by."""

    key: Any

    @property
    def waits_for_request(self) -> bool:
        """Return whether no request is being read, answered or waiting to be."""

    def check_time(self, now: float) -> None:
        """End the connection where its time is up."""

    def abort(self) -> None:
        """End the connection at once."""


class _Group:
    """Connections in the order in which they give way."""

    __slots__ = ("silent", "used")

    def __init__(self) -> None:
        self.silent: dict[Connection, None] = {}
        self.used: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self.silent) + len(self.used)

    def use(self, connection: Connection) -> None:
        self.silent.pop(connection, None)
        self.used.pop(connection, None)
        self.used[connection] = None

    def remove(self, connection: Connection) -> None:
        self.silent.pop(connection, None)
        self.used.pop(connection, None)

    def waiting(self) -> Connection | None:
        """Return the first that can give way, or None where all are being served."""
        for connections in (self.silent, self.used):
            for connection in connections:
                if connection.waits_for_request:
                    return connection
        return None


class Connections:
    """All connections of this process' clients."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._all = _Group()
        self._of_address: dict[Any, _Group] = {}
        self._closed = {"timed_out": 0, "gave_way": 0, "refused": 0}
        self.loop = BackgroundLoop(
            name="connections", run_once=self.sweep, interval_s=_SWEEP_SECONDS, begins_with_pause=True
        )

    def admit(self, connection: Connection, key: Any) -> bool:
        """Take in a new connection, in the place of a waiting one where there are too many; False where none waits."""
        own = self._of_address.get(key) if key is not None else None
        for group, most in ((own, self._limits.per_address), (self._all, self._limits.total)):
            if group is None or len(group) < most:
                continue
            waiting = group.waiting()
            if waiting is None:
                self.count("refused")
                return False
            self.count("gave_way")
            self.remove(waiting)
            waiting.abort()
        if key is not None:
            self._of_address.setdefault(key, _Group()).silent[connection] = None
        self._all.silent[connection] = None
        metrics.CONNECTIONS_OPEN.set(len(self._all))
        return True

    def use(self, connection: Connection) -> None:
        """Note that a whole request has come."""
        if connection in self._all.used or connection in self._all.silent:
            self._all.use(connection)
            if (own := self._of_address.get(connection.key)) is not None:
                own.use(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended or is about to."""
        self._all.remove(connection)
        own = self._of_address.get(connection.key)
        if own is not None:
            own.remove(connection)
            if not len(own):
                del self._of_address[connection.key]
        metrics.CONNECTIONS_OPEN.set(len(self._all))

    def key_of(self, peer: Address | None) -> Any:
        """Return what connections are counted by: the address, or an IPv6 customer's network; None for no limit."""
        if peer is None or any(peer in network for network in self._limits.trusted):
            return None
        # Whoever has one address of IPv6 has all of its /64.
        return ip_network((peer, 64), strict=False) if isinstance(peer, IPv6Address) else peer

    def count(self, reason: str) -> None:
        """Count a connection that the bank ended."""
        self._closed[reason] += 1
        metrics.CONNECTIONS_CLOSED.labels(reason).inc()

    async def sweep(self) -> None:
        """End the connections whose time is up."""
        now = asyncio.get_running_loop().time()
        for connection in [*self._all.silent, *self._all.used]:
            connection.check_time(now)
        if any(self._closed.values()):
            # One line a sweep, however many there were.
            logger.warning("connections_closed", **self._closed, open=len(self._all))
            self._closed = dict.fromkeys(self._closed, 0)
