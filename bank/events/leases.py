"""Leases of subscribers, and the notifications between processes about new events in the log."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
import structlog

from bank.background import BackgroundLoop
from bank.database.connection import ROLE, connect
from bank.database.failures import is_transient
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.delivery import LEASE, RENEW_S, Delivery
from bank.events.log import queries
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

CHANNEL = "bank_log"
# The application name of the listening connection on the server.
LISTENER_NAME = "bank-listener"

# The interval of heartbeats; shorter while the cache waits for a heartbeat to trust Redis.
HEARTBEAT_S = 0.2
FREQUENT_HEARTBEAT_S = 0.05
# After this time a heartbeat is lost: the connection is half-open, or its backend process has stopped.
HEARTBEAT_TIMEOUT_S = 0.7
# The pause between the end of a connection and the next attempt, so that a server that refuses is not flooded.
RECONNECT_S = 0.1

# Called when this process has begun to listen, with the time of the database's clock.
OnListening = Callable[[datetime], None]
# Called with the backend process id and the payload of a notification; returns the payload of a reply, or None.
OnNotification = Callable[[int, str], str | None]


class Leases:
    """The leases of this process' deliveries: `loop` obtains and renews them periodically, `run_once` once."""

    def __init__(self, deliveries: Sequence[Delivery], *, database: Database, owner: UUID) -> None:
        self._deliveries = {delivery.subscriber.name: delivery for delivery in deliveries}
        self._database = database
        self._owner = owner
        self.loop = BackgroundLoop(
            name="leases", run_once=self.run_once, interval_s=RENEW_S, failure="leases_not_renewed"
        )

    @property
    def complete(self) -> bool:
        """Return whether this process serves every subscriber, so that no other one needs to be notified of commits."""
        return all(delivery.position is not None for delivery in self._deliveries.values())

    async def register(self) -> None:
        """Insert the missing rows of subscribers; a new subscriber starts at the beginning of the log."""
        async with self._database.connection() as connection:
            for name in self._deliveries:
                await queries.register_subscriber(connection, subscriber=name)

    async def run_once(self) -> None:
        """Obtain free leases, renew own ones, stop deliveries that have lost theirs, and set the metrics of all."""
        served = [name for name, delivery in self._deliveries.items() if not delivery.stands_down]
        # Read before the database: a delivery may move on meanwhile, so that its position there can only be higher.
        moved_to = {name: delivery.position for name, delivery in self._deliveries.items()}
        async with self._database.connection() as connection:
            if len(served) < len(self._deliveries):
                await self._release(connection, list(self._deliveries.keys() - set(served)))
            await queries.lease_subscribers(connection, owner=self._owner, lease=LEASE, subscribers=served)
            rows = [
                row
                async for row in queries.read_subscribers(
                    connection, owner=self._owner, subscribers=list(self._deliveries)
                )
            ]
        for row in rows:
            delivery = self._deliveries[row["subscriber"]]
            if row["is_ours"]:
                delivery.lease_acquired(row["position"], moved_to=moved_to[row["subscriber"]])
            else:
                delivery.lease_lost()
            # Every worker sets the metrics of all subscribers, so that a lag is visible even if no worker serves one.
            metrics.SUBSCRIBER_LAG.labels(row["subscriber"]).set(row["lag_events"])
            metrics.SUBSCRIBER_LAG_SECONDS.labels(row["subscriber"]).set(max(0.0, row["lag_s"]))
            metrics.DEAD_LETTERS_OPEN.labels(row["subscriber"]).set(row["dead_letters"])

    async def release(self) -> None:
        """Release every lease, so that another process can continue at once."""
        async with self._database.connection() as connection:
            await self._release(connection, list(self._deliveries))

    async def _release(self, connection: Any, subscribers: list[str]) -> None:
        await queries.release_subscribers(connection, owner=self._owner, subscribers=subscribers)
        await connection.execute(f"notify {CHANNEL}")


class Heartbeat(Protocol):
    """The actions of another component for each heartbeat of the listening connection."""

    @property
    def trusts_redis(self) -> bool:
        """Return whether the cache trusts Redis. If not, heartbeats are sent more often."""

    async def renew(self, connection: Any, *, is_new: bool) -> None:
        """Send the component's own statements of a heartbeat over the connection."""

    def confirm(self) -> None:
        """Note that the heartbeat was received, and so was every notification from before its `renew`."""

    def revoke(self) -> None:
        """Note that the connection has ended, or may have lost notifications."""


class LogListener:
    """The connection that notifies other processes of new events, and wakes the bus when they have appended.

    One notification covers any number of commits. It is sent outside of their transactions, because a notification in a
    transaction would make its commit wait for a lock of the whole PostgreSQL server. `channels` are further channels
    with their callbacks; `on_listening` is called when listening has begun.

    A connection that only listens would not notice its own end. So it periodically sends a heartbeat: a notification to
    itself, on its own channel. When it arrives, all earlier notifications have arrived too.

    `run` is the loop, `run_once` one heartbeat of it.
    """

    def __init__(
        self,
        *,
        url: str,
        bus: Bus,
        leases: Leases,
        channels: Mapping[str, OnNotification] | None = None,
        heartbeat: Heartbeat | None = None,
        on_listening: OnListening = lambda _since: None,
    ) -> None:
        self._url = url
        self._channels = channels or {}
        self._heartbeat = heartbeat
        self._on_listening = on_listening
        self._bus = bus
        self._leases = leases
        self._replies: deque[tuple[str, str]] = deque()
        self._has_appended = False
        self._has_messages = asyncio.Event()
        self._echo = asyncio.Event()
        self._own_pid: int | None = None
        self._connection: asyncpg.Connection | None = None
        self._echo_channel = ""
        self._loop = BackgroundLoop(
            name="listener",
            run_once=self.run_once,
            # No pause: an iteration lasts until the next heartbeat is due.
            interval_s=0,
            failure="listener_interrupted",
            is_expected=is_transient,
            retry_s=lambda _failures, _error: RECONNECT_S,
        )
        bus.on_publish(self._note_appended)

    async def run(self) -> None:
        """Listen and notify, on a connection of its own, until cancelled."""
        try:
            await self._loop.run()
        finally:
            self._disconnect()

    async def run_once(self) -> None:
        """Connect if there is no connection. Else send notifications until a heartbeat is due, then the heartbeat."""
        try:
            if self._connection is None:
                await self._connect()
            else:
                await self._send_until_heartbeat(self._connection)
                await self._send_heartbeat(self._connection, self._echo_channel, is_new=False)
        except BaseException:
            self._disconnect()
            raise

    async def _connect(self) -> None:
        self._connection = connection = await connect(
            self._url,
            name=LISTENER_NAME,
            # A crash may lose all writes over this connection, so that they need not wait for the disk.
            settings={"role": ROLE, "synchronous_commit": "off"},
            timeout=2,
            command_timeout=HEARTBEAT_TIMEOUT_S,
        )
        connection.add_termination_listener(self._note_end)
        self._own_pid = connection.get_server_pid()
        await connection.add_listener(CHANNEL, self._on_appended)
        # A new channel for each connection, so that a heartbeat of an older connection is not received.
        self._echo_channel = f"bank_beat_{uuid4().hex}"
        await connection.add_listener(self._echo_channel, self._on_echo)
        for channel in self._channels:
            await connection.add_listener(channel, self._on_message)
        # Before Redis is trusted: notifications about sessions that were closed earlier may have been lost.
        self._on_listening(await connection.fetchval("select clock_timestamp()"))
        await self._send_heartbeat(connection, self._echo_channel, is_new=True)
        # Notifications about new events may have been lost before this connection.
        self._bus.wake()

    def _disconnect(self) -> None:
        self._revoke()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _send_until_heartbeat(self, connection: asyncpg.Connection) -> None:
        """Send notifications and replies until the next heartbeat is due."""
        is_eager = self._heartbeat is not None and not self._heartbeat.trusts_redis
        due_s = monotonic() + (FREQUENT_HEARTBEAT_S if is_eager else HEARTBEAT_S)
        while (left_s := due_s - monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._has_messages.wait()
            self._has_messages.clear()
            if connection.is_closed():
                raise ConnectionResetError("the connection that listens has ended")
            await self._send(connection)

    async def _send(self, connection: asyncpg.Connection) -> None:
        while self._replies:
            await connection.execute("select pg_notify($1, $2)", *self._replies.popleft())
        if self._has_appended:
            self._has_appended = False
            if not self._leases.complete:
                await connection.execute(f"notify {CHANNEL}")

    async def _send_heartbeat(self, connection: asyncpg.Connection, echo: str, *, is_new: bool) -> None:
        self._echo.clear()
        async with asyncio.timeout(HEARTBEAT_TIMEOUT_S):
            if self._heartbeat is not None:
                await self._heartbeat.renew(connection, is_new=is_new)
            await connection.execute(f"notify {echo}")
            await self._echo.wait()
        if self._heartbeat is not None:
            self._heartbeat.confirm()

    def _revoke(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.revoke()

    def _note_end(self, _connection: asyncpg.Connection) -> None:
        self._revoke()
        self._has_messages.set()

    def _on_echo(self, *_: Any) -> None:
        self._echo.set()

    def _on_appended(self, _connection: asyncpg.Connection, pid: int, _channel: str, _payload: str) -> None:
        # The process id is stored, because a connection that has ended does not have it any more.
        if pid != self._own_pid:
            self._bus.wake()

    def _on_message(self, _connection: asyncpg.Connection, pid: int, channel: str, payload: str) -> None:
        reply = self._channels[channel](pid, payload)
        if reply is not None:
            self._replies.append((channel, reply))
            self._has_messages.set()

    def _note_appended(self) -> None:
        self._has_appended = True
        self._has_messages.set()
