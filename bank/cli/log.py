"""Access to the event log for commands: positions and times, stored events, the database and the subscribers."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import click
import msgspec

from bank.accounts.cached import AccountCache
from bank.cache.membership import read_epoch
from bank.cache.redis import CacheServer
from bank.cache.trust import FixedTrust
from bank.cache.values import ValueCache
from bank.cli.encryption import cipher_for
from bank.cli.environment import required_database_url
from bank.clock import SystemClock
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.errors import BadInput
from bank.event_handlers import NAMES, subscribers
from bank.events.dispatch import Handler, Subscriber
from bank.events.event import RecordedEvent
from bank.events.log import queries
from bank.events.search import first_position_since
from bank.security.watch import SuspiciousActivityMonitor
from bank.settings import SettingsError, checked_postgres_url, checked_redis_url, load_exempt_networks
from bank.telemetry.logs import configure_logs

# One hour. The search for a rare event in a long log, and the deletion of a projection, are one statement each.
STATEMENT_TIMEOUT_MS = 3_600_000
# The number of events in one read, which take a few megabytes.
PAGE = 5_000

# Longer than in a worker, since no request waits for a replay.
REDIS_TIMEOUT_MS = 1_000

DATABASE_URL = click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")
REDIS_URL = click.option("--redis-url", envvar="REDIS_URL", help="REDIS_URL by default.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON, one object a line.")

LogBound = int | datetime
"""One end of a range of the log: a position, or a time."""

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Servers:
    """The URLs of the servers that handlers need, from the options of a command."""

    database_url: str | None
    redis_url: str | None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is stored, in the version in which it was emitted."""

    position: int
    id: UUID
    event_type: str
    event_version: int
    aggregate_type: str
    aggregate_id: UUID
    user_id: UUID | None
    created_at: datetime
    event_data: msgspec.Raw
    metadata: msgspec.Raw

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "StoredEvent":
        """Return the event of a row of the event store."""
        values: dict[str, Any] = {name: row[name] for name in cls.__struct_fields__}
        for name in ("event_data", "metadata"):
            values[name] = msgspec.Raw(values[name].encode())
        return cls(**values)

    def line(self) -> str:
        """Return the event as one line of text."""
        about, data = f"{self.aggregate_type} {self.aggregate_id}", bytes(self.event_data).decode()
        return f"{self.position:>8}  {format_time(self.created_at)}  {self.event_type}  {about}  {data}"


def format_time(moment: datetime) -> str:
    """Return a time as text, in UTC and with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_bound(text: str | None) -> LogBound | None:
    """Parse a position, or a time with its zone. Raises `BadInput` for any other text."""
    if text is None:
        return None
    if re.fullmatch("[1-9][0-9]{0,17}", text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadInput(f"{text} is neither a position nor a time with its zone, such as 2031-05-02T09:30:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of the earliest or the latest datetime
        return EARLIEST if moment.year == 1 else LATEST


async def position_of(connection: Any, where: LogBound) -> int:
    """Return a position as it is, or the position of the first event stored at a time or later."""
    return where if isinstance(where, int) else await first_position_since(connection, where)


async def stored_events(
    connection: Any, *, after: int, until: int, types: Collection[str] | None, aggregate_id: UUID | None
) -> AsyncIterator[StoredEvent]:
    """Yield the stored events from position `after` (excluded) to `until` (included), read page by page."""
    while after < until:
        page_end = min(until, after + PAGE)
        rows = queries.stored_events(
            connection,
            after=after,
            until=page_end,
            max_rows=PAGE,
            types=types and list(types),
            aggregate_id=aggregate_id,
        )
        async for row in rows:
            yield StoredEvent.from_row(row)
        after = page_end


@asynccontextmanager
async def open_database(url: str | None) -> AsyncIterator[Database]:
    """Connect to a migrated database. Raises `SettingsError`, `Unavailable` or `WrongMigrationLevel`."""
    checked = _checked("DATABASE_URL", required_database_url(url), checked_postgres_url)
    database = Database(checked, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
    await database.open()
    try:
        await require_level(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_subscriber(name: str, servers: Servers) -> AsyncIterator[tuple[Database, Subscriber]]:
    """Connect like a worker, and yield a subscriber. Raises `BadInput` for an unknown name, or as `open_database`."""
    trust = FixedTrust()
    redis_url = _checked("REDIS_URL", servers.redis_url, checked_redis_url)
    server = CacheServer(redis_url, timeout_ms=REDIS_TIMEOUT_MS, trust=trust)
    try:
        if name not in NAMES:
            raise BadInput(f"There is no subscriber {name}; there are {', '.join(NAMES)}.")
        configure_logs("warning")
        async with open_database(servers.database_url) as database:
            trust.epoch = await read_epoch(database)
            table = subscribers(AccountCache(ValueCache(server)), _watch(database))
            yield database, next(subscriber for subscriber in table if subscriber.name == name)
    finally:
        await server.close()


def _watch(database: Database) -> Handler:
    """Return the handler that looks for suspicious activity."""

    @cache
    def monitor() -> SuspiciousActivityMonitor:
        return SuspiciousActivityMonitor(cipher_for(database), SystemClock(), load_exempt_networks())

    async def watch(connection: Any, events: Sequence[RecordedEvent]) -> None:
        # Built here, since other subscribers and dry runs need no master key.
        await monitor().watch(connection, events)

    return watch


def _checked(name: str, url: str | None, check: Callable[[str], str]) -> str:
    if not url:
        raise SettingsError(f"{name} is not set.")
    try:
        return check(url)
    except ValueError as error:
        raise SettingsError(f"{name} is wrong: {error}.") from error
