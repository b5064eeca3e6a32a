"""The look-up of accounts by number: results are cached, and the least recently used one is evicted first."""

from typing import Any

import pytest

from bank.accounts import reads
from bank.accounts.reads import AccountDirectory
from tests.integration.books import Books


@pytest.fixture
def lookups(books: Books, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A list of the account look-ups in the database."""
    times: list[None] = []
    connection = books.database.connection

    def counted() -> Any:
        times.append(None)
        return connection()

    monkeypatch.setattr(books.database, "connection", counted)
    return times


async def test_account_numbers_are_looked_up_once_until_the_cache_is_full(
    books: Books, lookups: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "NUMBERS_MAX", 2)
    ids = {name: await books.open_account() for name in "abc"}
    directory = AccountDirectory(books.database)
    seen = []
    for name in "abacab":
        lookups.clear()
        assert await directory.id_of(books.numbers[ids[name]]) == ids[name]
        seen.append(len(lookups))
    assert seen == [1, 1, 0, 1, 0, 1]


async def test_an_unknown_account_number_is_looked_up_each_time(books: Books, lookups: list[None]) -> None:
    directory = AccountDirectory(books.database)
    lookups.clear()
    assert [await directory.id_of("0001/99999999-9") for _ in range(2)] == [None, None]
    assert len(lookups) == 2
