"""Fixtures of the integration tests: a ledger at work on a real database."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.books import Books, running_books
from tests.integration.log import Log, open_log


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    """A running ledger and a person, Ana, to open accounts for."""
    async with running_books(database_url) as books:
        await books.connection.execute(
            "insert into users (id, email, full_name, cpf, password_hash, role, created_at, updated_at)"
            " values ($1, 'ana@example.com', 'Ana', '52998224725', '-', 'CUSTOMER', now(), now())",
            books.owner_id,
        )
        yield books


@pytest.fixture
async def running_bank(database_url: str, redis_url: str) -> AsyncIterator[RunningBank]:
    """A bank that serves over HTTP, on a fresh database and an empty cache."""
    async with serving(settings_for(database_url, redis_url)) as running_bank:
        yield running_bank


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    """An event log, and a table in which handlers leave their effect."""
    async with open_log(database_url) as log:
        yield log
