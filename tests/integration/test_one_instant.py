"""One query sees one instant, whatever is committed during its execution (R11)."""

import asyncio
from typing import Any

import pytest

from bank.database.snapshot import ReadSnapshot
from tests.integration.api import RunningBank
from tests.integration.payers import payer_at

TWO_ACCOUNTS = "query ($a: ID!, $b: ID!) { a: account(id: $a) { ...Seen } b: account(id: $b) { ...Seen } }"
BALANCE = " fragment Seen on Account { balance { amount } }"
HISTORY = " fragment Seen on Account { balance { amount } transactions { nodes { amount { amount } } } }"


@pytest.mark.parametrize("seen", [BALANCE, HISTORY])
async def test_a_query_shows_money_that_moves_between_its_statements_on_one_side_only(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    payer = await payer_at(running_bank)
    moved = asyncio.Event()
    first_fetch = ReadSnapshot.fetch
    statements = 0

    async def fetch(self: ReadSnapshot, sql: str, *arguments: object) -> list[Any]:
        """Move money after the first statement; all further statements run after its commit."""
        nonlocal statements
        statements += 1
        if statements > 1:
            await moved.wait()
            return await first_fetch(self, sql, *arguments)
        rows = await first_fetch(self, sql, *arguments)
        assert (await payer.paid("in-between", "30.00"))["userErrors"] == []
        moved.set()
        return rows

    monkeypatch.setattr(ReadSnapshot, "fetch", fetch)
    ids = {"a": payer.first["id"], "b": payer.second["id"]}
    reply = await payer.client.send(TWO_ACCOUNTS + seen, ids, headers={"Cache-Control": "no-cache"})
    assert statements > 1
    assert {name: account["balance"]["amount"] for name, account in reply.data.items()} == {"a": "100.00", "b": "0.00"}
    if seen is HISTORY:
        assert [len(reply.data[name]["transactions"]["nodes"]) for name in ("a", "b")] == [1, 0]
    assert await payer.balances() == ("70.00", "30.00")
