"""Fixtures of the integration tests: a running ledger on a real database."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
import redis

from bank.api import connection_limits, connections, http_request
from fixtures.backends.reach import run_sql
from tests.conftest import Servers, fresh_database, with_database
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.books import Books, running_books
from tests.integration.encryption import insert_user
from tests.integration.log import Log, open_log
from tests.integration.written_books import write_books


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    """A running ledger and a user, Ana, for whom accounts can be opened."""
    async with running_books(database_url) as books:
        await insert_user(books.connection, books.owner_id)
        yield books


@pytest.fixture
async def running_bank(database_url: str, redis_url: str) -> AsyncIterator[RunningBank]:
    """A bank that serves HTTP, on a new database and an empty cache."""
    async with serving(settings_for(database_url, redis_url)) as running_bank:
        yield running_bank


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    """An event log, and a table in which handlers record their effect."""
    async with open_log(database_url) as log:
        yield log


@pytest.fixture(scope="module")
def written_database(servers: Servers) -> Iterator[str]:
    """The name of a database with books that the bank wrote, to copy and tamper with."""
    maintenance, redis_address = servers.addresses()
    name = f"written_{secrets.token_hex(6)}"
    run_sql(maintenance, f"create database {name} template {servers.template()} strategy file_copy")
    # No worker of a parallel run uses this number.
    redis_url = redis_address.rpartition("/")[0] + "/15"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(lambda: asyncio.run(write_books(with_database(maintenance, name), redis_url))).result()
    yield name
    run_sql(maintenance, f"drop database {name} with (force)")


@pytest.fixture
def books_url(servers: Servers, written_database: str) -> Iterator[str]:
    yield from fresh_database(servers, written_database)


@pytest.fixture
async def superuser(books_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(books_url)
    yield connection
    await connection.close()


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce time-outs of seconds to tenths of a second."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connection_limits, "_SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(http_request, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)


@pytest.fixture
async def small_bank(database_url: str, redis_url: str, short_timeouts: None) -> AsyncIterator[RunningBank]:
    """A bank with room for twelve connections, six from one address."""
    async with serving(settings_for(database_url, redis_url), connections_max=12) as bank:
        yield bank
