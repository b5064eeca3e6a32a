"""An answer about a past instant stays correct: no entry is written later with an earlier time."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.integration.api import RunningBank
from tests.integration.payers import HOLD_COMMITS, connected, payer_at
from tests.integration.test_posting_processes import until_waiting

PAST = {
    "account": "query ($id: ID!, $at: DateTime!) { account(id: $id) { balanceAt(at: $at) { amount } } }",
    "me": "query ($at: DateTime!) { me { accounts { balanceAt(at: $at) { amount } } } }",
    "statement": """query ($id: ID!, $at: DateTime!) { account(id: $id) { statement(
        from: "2020-01-01T00:00:00Z", to: $at
    ) { closingBalance { amount } transactions { nodes { id } } } } }""",
}


@pytest.mark.parametrize("name", PAST)
async def test_a_balance_as_of_an_instant_includes_entries_that_were_being_written(
    running_bank: RunningBank, database_url: str, name: str
) -> None:
    payer = await payer_at(running_bank)
    async with connected(database_url) as gate:
        await gate.execute(HOLD_COMMITS)
        await gate.fetchval("select pg_advisory_lock(1)")
        paying = asyncio.create_task(payer.paid("p1", "30.00"))
        await until_waiting(gate, 1)
        moment = {"at": datetime.now(UTC).isoformat(), "id": payer.first["id"]}
        variables = {key: value for key, value in moment.items() if f"${key}" in PAST[name]}
        looking = asyncio.create_task(payer.client.send(PAST[name], variables))
        await until_waiting(gate, 2)
        await gate.fetchval("select pg_advisory_unlock(1)")
        assert (await paying)["userErrors"] == []
        first = (await looking).data
    again = (await payer.client.send(PAST[name], variables, headers={"Cache-Control": "no-cache"})).data
    assert first == again
    assert "70.00" in str(first)


async def test_a_read_as_of_an_instant_does_not_block_postings(running_bank: RunningBank) -> None:
    payer = await payer_at(running_bank)
    moment = datetime.now(UTC).isoformat()
    looks = [payer.client.send(PAST["account"], {"id": payer.first["id"], "at": moment}) for _ in range(20)]
    pays = [payer.paid(f"k{number}", "1.00") for number in range(20)]
    async with asyncio.timeout(10):
        replies, payments = await asyncio.gather(asyncio.gather(*looks), asyncio.gather(*pays))
    assert {reply.data["account"]["balanceAt"]["amount"] for reply in replies} == {"100.00"}
    assert [payment["userErrors"] for payment in payments] == [[]] * 20
