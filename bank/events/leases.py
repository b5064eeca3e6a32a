"""Leases of subscribers, and notifications between processes that the log has grown."""

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
# By what name the server knows the connection with which a process listens.
LISTENER_NAME = "bank-listener"

# How often the connection proves that it hears; more often while the cache waits for it to be believed.
BEAT_S = 0.2
EAGER_BEAT_S = 0.05
# A heartbeat that takes longer does not come back: the connection is half-open, or its backend stands still.
BEAT_WITHIN_S = 0.7
# Between a connection that ended and the next one; a server that refuses is not asked without end.
RECONNECT_S = 0.1

# What is to be done when this process has begun to listen, at a moment of the database's clock.
Listens = Callable[[datetime], None]
# What is to be done with what the connection with this process identifier says, and what to say in reply, if anything.
Hear = Callable[[int, str], str | None]


class Leases:
    """Obtains and renews the leases of this process' deliveries; gives them back at the end.

    `loop` renews from time to time, `run_once` once.
    """

    def __init__(self, deliveries: Sequence[Delivery], *, database: Database, owner: UUID) -> None:
        self._deliveries = {delivery.subscriber.name: delivery for delivery in deliveries}
        self._database = database
        self._owner = owner
        self.loop = BackgroundLoop(
            name="leases", run_once=self.run_once, interval_s=RENEW_S, failure="leases_not_renewed"
        )

    @property
    def complete(self) -> bool:
        """Return whether this process serves every subscriber, so that nobody else needs to hear of its commits."""
        return all(delivery.position is not None for delivery in self._deliveries.values())

    async def register(self) -> None:
        """Make sure that every subscriber has a position; a new one begins at the beginning."""
        async with self._database.connection() as connection:
            for name in self._deliveries:
                await queries.register_subscriber(connection, subscriber=name)

    async def run_once(self) -> None:
        """Obtain what is free, renew what is held, stop serving what was lost, and say how far everybody is."""
        served = [name for name, delivery in self._deliveries.items() if not delivery.stands_down]
        # Noted first: whatever a delivery moves meanwhile, the database can only be as far as this, or farther.
        moved_to = {name: delivery.position for name, delivery in self._deliveries.items()}
        async with self._database.connection() as connection:
            if len(served) < len(self._deliveries):
                await self._give_back(connection, list(self._deliveries.keys() - set(served)))
            await queries.lease_subscribers(connection, owner=self._owner, lease=LEASE, subscribers=served)
            rows = [
                row
                async for row in queries.look_at_subscribers(
                    connection, owner=self._owner, subscribers=list(self._deliveries)
                )
            ]
        for row in rows:
            delivery = self._deliveries[row["subscriber"]]
            if row["is_ours"]:
                delivery.begin(row["position"], moved_to=moved_to[row["subscriber"]])
            else:
                delivery.end()
            # Each worker says the same of everybody, so that a lag is seen whoever serves, or if nobody does.
            metrics.SUBSCRIBER_LAG.labels(row["subscriber"]).set(row["lag_events"])
            metrics.SUBSCRIBER_LAG_SECONDS.labels(row["subscriber"]).set(max(0.0, row["lag_s"]))
            metrics.DEAD_LETTERS_OPEN.labels(row["subscriber"]).set(row["dead_letters"])

    async def release(self) -> None:
        """Give every lease back, so that another process can go on at once."""
        async with self._database.connection() as connection:
            await self._give_back(connection, list(self._deliveries))

    async def _give_back(self, connection: Any, subscribers: list[str]) -> None:
        await queries.release_subscribers(connection, owner=self._owner, subscribers=subscribers)
        await connection.execute(f"notify {CHANNEL}")


class Heartbeat(Protocol):
    """The part of a heartbeat beyond listening: what it renews, and what follows when it comes back or fails."""

    @property
    def trusts_redis(self) -> bool:
        """Return whether heartbeats need not be hurried."""

    async def renew(self, connection: Any, *, is_new: bool) -> None:
        """Do what belongs to a heartbeat on the connection, before it proves that it hears."""

    def confirm(self) -> None:
        """Take in that everything said before this heartbeat's `renew` has been heard."""

    def revoke(self) -> None:
        """Take in that the connection has ended, or may be deaf."""


class LogListener:
    """Tells other processes that this one has appended, and wakes this one when they have.

    One notification stands for any number of commits: it is sent outside of the transactions, because inside it would
    make every commit wait for a lock that all of PostgreSQL shares. `hears` are other channels to listen to,
    `listens` is called when listening has begun.

    A connection that only listens would not notice its own end. So it notifies itself again and again, on a channel of
    its own: what comes back proves that everything which was said before has been heard.

    `run` is the loop, `run_once` one heartbeat of it.
    """

    def __init__(
        self,
        *,
        url: str,
        bus: Bus,
        leases: Leases,
        hears: Mapping[str, Hear] | None = None,
        heartbeat: Heartbeat | None = None,
        listens: Listens = lambda _since: None,
    ) -> None:
        self._url = url
        self._hears = hears or {}
        self._heartbeat = heartbeat
        self._listens = listens
        self._bus = bus
        self._leases = leases
        self._replies: deque[tuple[str, str]] = deque()
        self._has_appended = False
        self._has_news = asyncio.Event()
        self._echo = asyncio.Event()
        self._own_pid: int | None = None
        self._connection: asyncpg.Connection | None = None
        self._echo_channel = ""
        self._loop = BackgroundLoop(
            name="listener",
            run_once=self.run_once,
            # Telling lasts until the next heartbeat is due.
            interval_s=0,
            failure="listener_interrupted",
            is_expected=is_transient,
            retry_s=lambda _failures, _error: RECONNECT_S,
        )
        bus.on_publish(self._note_appended)

    async def run(self) -> None:
        """Listen and tell, on a connection of its own, until cancelled."""
        try:
            await self._loop.run()
        finally:
            self._disconnect()

    async def run_once(self) -> None:
        """Tell what there is to tell until a heartbeat is due, and send it; first of all, connect."""
        try:
            if self._connection is None:
                await self._connect()
            else:
                await self._tell(self._connection)
                await self._beat(self._connection, self._echo_channel, is_new=False)
        except BaseException:
            self._disconnect()
            raise

    async def _connect(self) -> None:
        self._connection = connection = await connect(
            self._url,
            name=LISTENER_NAME,
            # Nothing is written through it that a crash may not undo.
            settings={"role": ROLE, "synchronous_commit": "off"},
            timeout=2,
            command_timeout=BEAT_WITHIN_S,
        )
        connection.add_termination_listener(self._note_end)
        self._own_pid = connection.get_server_pid()
        await connection.add_listener(CHANNEL, self._heard)
        # A new one for each connection: what an older one said comes back to nobody.
        self._echo_channel = f"bank_beat_{uuid4().hex}"
        await connection.add_listener(self._echo_channel, self._heard_echo)
        for channel in self._hears:
            await connection.add_listener(channel, self._heard_else)
        # Before anything that Redis says is believed: what was closed earlier may not have been heard of.
        self._listens(await connection.fetchval("select clock_timestamp()"))
        await self._beat(connection, self._echo_channel, is_new=True)
        # What was said while nobody listened here.
        self._bus.wake()

    def _disconnect(self) -> None:
        self._revoke()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _tell(self, connection: asyncpg.Connection) -> None:
        """Tell what there is to tell until the next heartbeat is due."""
        is_hurried = self._heartbeat is not None and not self._heartbeat.trusts_redis
        due_s = monotonic() + (EAGER_BEAT_S if is_hurried else BEAT_S)
        while (left_s := due_s - monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._has_news.wait()
            self._has_news.clear()
            if connection.is_closed():
                raise ConnectionResetError("the connection that listens has ended")
            await self._tell_once(connection)

    async def _tell_once(self, connection: asyncpg.Connection) -> None:
        while self._replies:
            await connection.execute("select pg_notify($1, $2)", *self._replies.popleft())
        if self._has_appended:
            self._has_appended = False
            if not self._leases.complete:
                await connection.execute(f"notify {CHANNEL}")

    async def _beat(self, connection: asyncpg.Connection, echo: str, *, is_new: bool) -> None:
        self._echo.clear()
        async with asyncio.timeout(BEAT_WITHIN_S):
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
        self._has_news.set()

    def _heard_echo(self, *_: Any) -> None:
        self._echo.set()

    def _heard(self, _connection: asyncpg.Connection, pid: int, _channel: str, _payload: str) -> None:
        # A connection that has ended cannot say any more which server process it had.
        if pid != self._own_pid:
            self._bus.wake()

    def _heard_else(self, _connection: asyncpg.Connection, pid: int, channel: str, payload: str) -> None:
        reply = self._hears[channel](pid, payload)
        if reply is not None:
            self._replies.append((channel, reply))
            self._has_news.set()

    def _note_appended(self) -> None:
        self._has_appended = True
        self._has_news.set()
