"""The table of subscribers and their names."""

from collections.abc import Sequence
from typing import Any

from bank.accounts.cached import AccountCache
from bank.cache.redis import CacheServer
from bank.cache.trust import FixedTrust
from bank.cache.values import ValueCache
from bank.event_handlers import NAMES, subscribers
from bank.events.event import RecordedEvent


async def _watch(_connection: Any, _events: Sequence[RecordedEvent]) -> None: ...


async def test_the_names_are_those_of_the_table() -> None:
    cache = CacheServer("redis://127.0.0.1:1/0", timeout_ms=1, trust=FixedTrust())
    assert tuple(subscriber.name for subscriber in subscribers(AccountCache(ValueCache(cache)), _watch)) == NAMES
    await cache.close()
