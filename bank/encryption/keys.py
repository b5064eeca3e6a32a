"""Data keys: one for each person, and one for each day for people who are not known yet.

A data key is 32 random bytes, stored wrapped by the master key. Workers cache it in memory. To destroy it is to erase
everything that was encrypted with it.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, date
from typing import Any
from uuid import UUID

from cachetools import TTLCache

from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.encryption.master_key import KEY_BYTES, MasterKey
from bank.encryption.texts import DataKey

queries = load_statements(__file__)

# As many as clients whose access tokens are cached. A key takes about 1 kB, so that these are 10 MB.
CACHED_MAX = 10_000
# A worker that missed the notification of a destroyed key can read with it for so long. The price is one look-up a
# minute for each active person.
CACHED_S = 60.0


class _NotCached:
    """The type of the default of a look-up in a cache that has None as a value."""


_NOT_CACHED = _NotCached()

CHANNEL = "encryption_keys_destroyed"
"""The channel of the notifications of destroyed keys. The payload is the number of the key."""

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""The function `fetch` of a connection or a snapshot."""


class DataKeys:
    """The data keys of a database. Its methods raise `WrongMasterKey`, and the errors of `Database.connection`."""

    def __init__(self, database: Database, master_key: MasterKey, clock: Clock) -> None:
        self._database = database
        self.master_key = master_key
        self._clock = clock
        self._by_owner: TTLCache[str, DataKey] = TTLCache(CACHED_MAX, CACHED_S)
        # None for a destroyed key, or for a number that no key has.
        self._by_number: TTLCache[int, DataKey | _NotCached | None] = TTLCache(CACHED_MAX, CACHED_S)

    async def of_person(self, person_id: UUID, connection: Any = None) -> DataKey | None:
        """Return the key of a person, None if it is destroyed. A person without a key gets one.

        Within a transaction, `connection` is the transaction's: a second connection could be waited for in vain.
        """
        return await self._find_or_make(str(person_id), connection, person_id=person_id)

    async def of_today(self, connection: Any = None) -> DataKey:
        """Return the key of the current day (UTC), for data about a person who is not known."""
        day = self._clock.now().astimezone(UTC).date()
        key = await self._find_or_make(day.isoformat(), connection, day=day)
        assert key is not None, "the retention destroys the keys of past days only"
        return key

    async def _find_or_make(
        self, owner: str, connection: Any, *, person_id: UUID | None = None, day: date | None = None
    ) -> DataKey | None:
        if (cached := self._by_owner.get(owner)) is not None:
            return cached
        if connection is not None:
            # Not cached: a key that this transaction has made exists only after its commit.
            return self._unwrap(owner, await self._row_of(connection, owner, person_id, day))
        async with self._database.connection() as own:
            row = await self._row_of(own, owner, person_id, day)
        return self._cache(owner, row)

    async def _row_of(self, connection: Any, owner: str, person_id: UUID | None, day: date | None) -> Any:
        row = await queries.find_key(connection, person_id=person_id, day=day)
        if row is None:
            wrapped = self.master_key.wrap(os.urandom(KEY_BYTES), owner=owner)
            await queries.insert_key(connection, person_id=person_id, day=day, wrapped=wrapped, now=self._clock.now())
            # Another transaction may have made the key meanwhile; then its row is the one.
            row = await queries.find_key(connection, person_id=person_id, day=day)
        return row

    async def require_master_key(self) -> None:
        """Raise `WrongMasterKey` if the keys of this database were wrapped by another master key.

        One key is enough, because every worker has checked this before it wrapped one.
        """
        async with self._database.connection() as connection:
            row = await queries.newest_key(connection)
        if row is not None:
            self._unwrap(_owner(row["person_id"], row["day"]), row)

    async def with_numbers(self, numbers: Collection[int], fetch: Fetch) -> dict[int, DataKey]:
        """Return the keys with these numbers. Destroyed and unknown ones are left out."""
        found: dict[int, DataKey | None] = {}
        unknown: list[int] = []
        for number in set(numbers):
            # One look-up, because a key can expire between two.
            key = self._by_number.get(number, _NOT_CACHED)
            if isinstance(key, _NotCached):
                unknown.append(number)
            else:
                found[number] = key
        if unknown:
            found.update(dict.fromkeys(unknown))
            for row in await fetch(queries.keys_with_numbers.sql, unknown):
                found[row["number"]] = self._cache(_owner(row["person_id"], row["day"]), row)
        return {number: key for number, key in found.items() if key is not None}

    def receive(self, _pid: int, payload: str) -> None:
        """Handle the notification that a key was destroyed: forget it."""
        self.forget(int(payload))

    def forget(self, number: int) -> None:
        """Remove a destroyed key from the memory of this worker."""
        self._by_number[number] = None
        for owner, key in list(self._by_owner.items()):
            if key.number == number:
                del self._by_owner[owner]

    def _unwrap(self, owner: str, row: Any) -> DataKey | None:
        """Return the key of a row; None for a destroyed key."""
        if row["wrapped"] is None:
            return None
        return DataKey.of_bytes(row["number"], self.master_key.unwrap(row["wrapped"], owner=owner))

    def _cache(self, owner: str, row: Any) -> DataKey | None:
        key = self._by_number[row["number"]] = self._unwrap(owner, row)
        if key is not None:
            self._by_owner[owner] = key
        return key


def _owner(person_id: UUID | None, day: date | None) -> str:
    if person_id is not None:
        return str(person_id)
    assert day is not None, "a key belongs to a person or to a day"
    return day.isoformat()
