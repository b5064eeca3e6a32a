"""A bug in the write-through of balances: a committed transfer is acknowledged; no worker shows an older balance."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from bank.accounts import cached
from bank.cache.redis import CacheServer
from tests.integration.twins import Twins, twins


def _break_the_values(pair: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_account: Any) -> Any:
        raise TypeError("my bug")

    del pair
    monkeypatch.setattr(cached, "account_tag", broken)


def _break_the_call(pair: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pair.first.bank.cache_server.run

    async def broken(name: str, *arguments: Any) -> Any:
        if name == "put":
            raise TypeError("my bug")
        return await run(name, *arguments)

    monkeypatch.setattr(pair.first.bank.cache_server, "run", broken)


@pytest.mark.parametrize("break_it", [_break_the_values, _break_the_call])
async def test_no_worker_shows_the_old_balance_after_a_failed_write_through(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, break_it: Any
) -> None:
    async with twins(database_url, redis_url) as pair:
        # Now both workers would answer from the cache.
        await pair.until_hit(pair.here)
        await pair.until_hit(pair.there)
        with monkeypatch.context() as patch:
            break_it(pair, patch)
            with capture_logs() as lines:
                for _ in range(5):
                    # The transfer is committed, so it is acknowledged; both workers show it at once.
                    await pair.move()
                    await pair.look(pair.there)
                    await pair.look(pair.here)
        assert {(line["event"], line["log_level"]) for line in lines} >= {("write_through_broken", "error")}
        assert isinstance(pair.first.bank.cache_server, CacheServer)
        await pair.move()
        for worker in (pair.here, pair.there):
            await pair.look(worker)
            await pair.until_hit(worker)
            await pair.look(worker)
