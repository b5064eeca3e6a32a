"""Which process serves which subscriber, and how processes tell each other that the log has grown."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from bank.cancelling import raise_if_cancelled
from bank.database.connection import ROLE, connect
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.delivery import LEASE, RENEW_S, Delivery
from bank.events.log import queries
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)

CHANNEL = "bank_log"
# By what name the server knows the connection with which a process listens.
HERALD = "bank-herald"

# What is to be done with what the connection with this process identifier says, and what to say in reply, if anything.
Hear = Callable[[int, str], str | None]


class Leases:
    """Obtains and renews the leases of this process' deliveries; gives them back at the end."""

    def __init__(self, deliveries: Sequence[Delivery], *, database: Database, owner: UUID) -> None:
        self._deliveries = {delivery.subscriber.name: delivery for delivery in deliveries}
        self._database = database
        self._owner = owner

    @property
    def complete(self) -> bool:
        """Whether this process serves every subscriber, so that nobody else needs to hear of its commits."""
        return all(delivery.position is not None for delivery in self._deliveries.values())

    async def register(self) -> None:
        """Make sure that every subscriber has a position; a new one begins at the beginning."""
        async with self._database.connection() as connection:
            for name in self._deliveries:
                await queries.register_subscriber(connection, subscriber=name)

    async def run(self) -> None:
        """Renew for ever; a database that does not answer is asked again."""
        while True:
            try:
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - a loop that ended would never renew again
                raise_if_cancelled()
                logger.warning("leases_not_renewed", error=repr(error))
            await asyncio.sleep(RENEW_S)

    async def run_once(self) -> None:
        """Obtain what is free, renew what is held, stop serving what was lost, and say how far everybody is."""
        served = [name for name, delivery in self._deliveries.items() if not delivery.is_aside]
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
                delivery.begin(row["position"])
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


class Herald:
    """Tells other processes that this one has appended, and wakes this one when they have.

    One notification stands for any number of commits: it is sent outside of the transactions, because inside it would
    make every commit wait for a lock that all of PostgreSQL shares. `hears` are other channels to listen to.
    """

    def __init__(self, *, url: str, bus: Bus, leases: Leases, hears: Mapping[str, Hear] | None = None) -> None:
        self._url = url
        self._hears = hears or {}
        self._bus = bus
        self._leases = leases
        self._replies: deque[tuple[str, str]] = deque()
        self._has_appended = False
        self._has_news = asyncio.Event()
        bus.on_publish(self._note_appended)

    async def run(self) -> None:
        """Listen and tell, on a connection of its own, for ever."""
        while True:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - a loop that ended would never tell again
                raise_if_cancelled()
                logger.warning("herald_interrupted", error=repr(error))
                await asyncio.sleep(RENEW_S)

    async def _serve(self) -> None:
        connection = await connect(self._url, name=HERALD, settings={"role": ROLE}, timeout=5, command_timeout=5)
        try:
            await connection.add_listener(CHANNEL, self._heard)
            for channel in self._hears:
                await connection.add_listener(channel, self._heard_else)
            while True:
                await self._has_news.wait()
                self._has_news.clear()
                while self._replies:
                    await connection.execute("select pg_notify($1, $2)", *self._replies.popleft())
                if self._has_appended:
                    self._has_appended = False
                    if not self._leases.complete:
                        await connection.execute(f"notify {CHANNEL}")
        finally:
            await connection.close(timeout=1)

    def _heard(self, connection: asyncpg.Connection, pid: int, _channel: str, _payload: str) -> None:
        if pid != connection.get_server_pid():
            self._bus.wake()

    def _heard_else(self, _connection: asyncpg.Connection, pid: int, channel: str, payload: str) -> None:
        reply = self._hears[channel](pid, payload)
        if reply is not None:
            self._replies.append((channel, reply))
            self._has_news.set()

    def _note_appended(self) -> None:
        self._has_appended = True
        self._has_news.set()
