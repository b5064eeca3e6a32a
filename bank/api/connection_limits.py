"""Limits on the number of connections: in all, and from one address.

A connection costs a file descriptor and some memory before its client is authenticated. So the number of connections
from one address is bounded. At a limit, the bank closes an idle connection to accept a new one: first the oldest one
that never sent a request, then the least recently used one.
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

# Precise enough for time limits of several seconds; a sweep over ten thousand connections takes some milliseconds.
_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on connections in all and from one address; trusted proxies have only the first limit."""

    total: int = 10_000
    per_address: int = 1_000
    trusted: Sequence[Network] = ()


class Connection(Protocol):
    """A connection as the limits see it. `key` is the address or network that it counts for; None for no limit."""

    key: Any

    @property
    def is_idle(self) -> bool:
        """Return whether no request is being read or answered, and none is queued."""

    def check_time(self, now: float) -> None:
        """Close the connection if it has exceeded a time limit. `now` is the event loop's time in seconds."""

    def abort(self) -> None:
        """Close the connection at once."""


class _Group:
    """Connections in the order in which they are closed for new ones."""

    __slots__ = ("unused", "used")

    def __init__(self) -> None:
        self.unused: dict[Connection, None] = {}
        self.used: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self.unused) + len(self.used)

    def mark_used(self, connection: Connection) -> None:
        self.unused.pop(connection, None)
        self.used.pop(connection, None)
        self.used[connection] = None

    def remove(self, connection: Connection) -> None:
        self.unused.pop(connection, None)
        self.used.pop(connection, None)

    def first_idle(self) -> Connection | None:
        """Return the first connection that can be closed, or None if all are being served."""
        for connections in (self.unused, self.used):
            for connection in connections:
                if connection.is_idle:
                    return connection
        return None


class Connections:
    """The client connections of this process."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._all = _Group()
        self._of_address: dict[Any, _Group] = {}
        self._closed = {"timed_out": 0, "gave_way": 0, "refused": 0}
        self.loop = BackgroundLoop(
            name="connections", run_once=self.sweep, interval_s=_SWEEP_SECONDS, begins_with_pause=True
        )

    def admit(self, connection: Connection, key: Any) -> bool:
        """Accept a new connection, and close an idle one if a limit is reached. Return False if none is idle."""
        own = self._of_address.get(key) if key is not None else None
        for group, limit in ((own, self._limits.per_address), (self._all, self._limits.total)):
            if group is None or len(group) < limit:
                continue
            idle = group.first_idle()
            if idle is None:
                self.count("refused")
                return False
            self.count("gave_way")
            self.remove(idle)
            idle.abort()
        if key is not None:
            self._of_address.setdefault(key, _Group()).unused[connection] = None
        self._all.unused[connection] = None
        metrics.CONNECTIONS_OPEN.set(len(self._all))
        return True

    def mark_used(self, connection: Connection) -> None:
        """Note that the headers of a request have arrived on a connection."""
        if connection in self._all.used or connection in self._all.unused:
            self._all.mark_used(connection)
            if (own := self._of_address.get(connection.key)) is not None:
                own.mark_used(connection)

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended or is about to end."""
        self._all.remove(connection)
        own = self._of_address.get(connection.key)
        if own is not None:
            own.remove(connection)
            if not len(own):
                del self._of_address[connection.key]
        metrics.CONNECTIONS_OPEN.set(len(self._all))

    def key_of(self, peer: Address | None) -> Any:
        """Return the key that a connection counts for: the IPv4 address or the IPv6 /64 network; None for no limit."""
        if peer is None or any(peer in network for network in self._limits.trusted):
            return None
        # A client with one IPv6 address usually has the whole /64 network.
        return ip_network((peer, 64), strict=False) if isinstance(peer, IPv6Address) else peer

    def count(self, reason: str) -> None:
        """Count a connection that the bank has closed, by the reason."""
        self._closed[reason] += 1
        metrics.CONNECTIONS_CLOSED.labels(reason).inc()

    async def sweep(self) -> None:
        """Close the connections that have exceeded a time limit, and log how many were closed since the last sweep."""
        now = asyncio.get_running_loop().time()
        for connection in [*self._all.unused, *self._all.used]:
            connection.check_time(now)
        if any(self._closed.values()):
            # One line for all of them: an attack must not fill the log.
            logger.warning("connections_closed", **self._closed, open=len(self._all))
            self._closed = dict.fromkeys(self._closed, 0)
