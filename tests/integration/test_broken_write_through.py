"""A bug in the write-through of balances: a committed transfer is acknowledged; no worker shows an older balance."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from bank.accounts import cached
from bank.cache.redis import CacheServer
from tests.integration.two_workers import TwoWorkers, serve_two_workers


def _break_the_values(workers: TwoWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_account: Any) -> Any:
        raise TypeError("my bug")

    del workers
    monkeypatch.setattr(cached, "account_tag", broken)


def _break_the_call(workers: TwoWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    run = workers.first.bank.cache_server.run

    async def broken(name: str, *arguments: Any) -> Any:
        if name == "put":
            raise TypeError("my bug")
        return await run(name, *arguments)

    monkeypatch.setattr(workers.first.bank.cache_server, "run", broken)


@pytest.mark.parametrize("break_it", [_break_the_values, _break_the_call])
async def test_no_worker_shows_the_old_balance_after_a_failed_write_through(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, break_it: Any
) -> None:
    async with serve_two_workers(database_url, redis_url) as workers:
        # Now both workers would answer from the cache.
        await workers.until_hit(workers.on_first)
        await workers.until_hit(workers.on_second)
        with monkeypatch.context() as patch:
            break_it(workers, patch)
            with capture_logs() as lines:
                for _ in range(5):
                    # The transfer is committed, so it is acknowledged; both workers show it at once.
                    await workers.transfer_cent()
                    await workers.check_balances(workers.on_second)
                    await workers.check_balances(workers.on_first)
        assert {(line["event"], line["log_level"]) for line in lines} >= {("write_through_failed", "error")}
        assert isinstance(workers.first.bank.cache_server, CacheServer)
        await workers.transfer_cent()
        for worker in (workers.on_first, workers.on_second):
            await workers.check_balances(worker)
            await workers.until_hit(worker)
            await workers.check_balances(worker)
