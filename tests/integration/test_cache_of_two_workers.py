"""Two processes and one Redis: if one process cannot invalidate a value in Redis, the other one does not trust it."""

import pytest

from fixtures.faults import FaultProxy, through_proxy, upstream_of
from tests.integration.api import Client, serving, settings_for


async def test_another_process_shows_changes_that_the_first_could_not_write_to_redis(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with FaultProxy(upstream_of(redis_url)) as proxy:
        first_settings = settings_for(database_url, through_proxy(redis_url, proxy.port))
        async with serving(first_settings) as first, serving(settings_for(database_url, redis_url)) as second:
            person = await first.client.person()
            elsewhere = Client(second.client.http, second.client.url, person.token)
            account, other = await person.account("a"), await person.account("b")
            await (await first.staff()).deposit(account["number"], "10.00", "d")
            assert await elsewhere.balance(account["id"]) == "10.00"
            assert (await elsewhere.run("Me")).data["me"]["accounts"]
            proxy.block()
            for number in range(1, 6):
                moved = await person.transfer(account["id"], other["number"], "1.00", f"t{number}")
                assert moved.data["transfer"]["userErrors"] == []
                assert await elsewhere.balance(account["id"]) == f"{10 - number}.00"
                assert await elsewhere.balance(other["id"]) == f"{number}.00"
            await person.account("c")
            assert len((await elsewhere.run("Me")).data["me"]["accounts"]) == 3
            proxy.unblock()
            await first.caught_up()
            assert await person.balance(account["id"]) == "5.00"
    logged = capsys.readouterr().out
    assert "redis_unavailable" in logged
    assert "cache_notice" not in logged, "every notice reached the second process, and it said so"
