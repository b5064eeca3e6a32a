"""Holds: the money stays on the account, cannot be spent otherwise, and is captured or released exactly once."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from bank.holds.expire import expire_once
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.customers import Customers, brl, register_customers
from tests.integration.payers import SetClock, connected


async def _held(customers: Customers, amount: str = "60.00", **more: Any) -> dict[str, Any]:
    made = await customers.ana.mutate(
        "authorizeHold",
        fromAccountId=customers.ana.id,
        toAccountNumber=customers.bia.number,
        amount=brl(amount),
        **more,
    )
    assert made["userErrors"] == []
    return made


async def test_held_money_stays_in_the_balance_and_cannot_be_spent(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    made = await _held(customers, key="h")
    assert made["availableAfter"]["amount"] == "40.00"
    assert await customers.ana.money() == ("100.00", "40.00", "60.00")
    assert await _held(customers, key="h") == {**made, "replayed": True}
    for mutation, given in (
        ("transfer", {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}),
        ("withdraw", {"accountNumber": customers.ana.number}),
        ("authorizeHold", {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}),
    ):
        assert (await customers.ana.refused(mutation, amount=brl("40.01"), **given))[0] == "INSUFFICIENT_FUNDS", (
            mutation
        )
    assert (await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("40.00")))[
        "userErrors"
    ] == []
    assert await customers.ana.money() == ("60.00", "0.00", "60.00")


async def test_a_partial_capture_releases_the_rest_of_the_hold(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    captured = await customers.bia.mutate("captureHold", holdId=hold["id"], amount=brl("45.00"), key="c")
    assert (captured["hold"]["status"], captured["hold"]["captured"]["amount"]) == ("CAPTURED", "45.00")
    assert (captured["transaction"]["kind"], captured["transaction"]["holdId"]) == ("CAPTURE", hold["id"])
    assert captured["availableAfter"]["amount"] == "55.00"
    assert await customers.ana.money() == ("55.00", "55.00", "0.00")
    assert await customers.bia.money() == ("45.00", "45.00", "0.00")
    again = await customers.bia.mutate("captureHold", holdId=hold["id"], amount=brl("45.00"), key="c")
    assert again == {**captured, "replayed": True}
    assert (await customers.bia.refused("captureHold", holdId=hold["id"]))[0] == "HOLD_ENDED"
    assert (await customers.bia.refused("releaseHold", holdId=hold["id"]))[0] == "HOLD_ENDED"


async def test_a_capture_without_an_amount_captures_the_whole_hold_and_never_more(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    code, field = await customers.bia.refused("captureHold", holdId=hold["id"], amount=brl("60.01"))
    assert (code, field) == ("CAPTURE_EXCEEDS_HOLD", ["input", "amount", "amount"])
    assert await customers.ana.money() == ("100.00", "40.00", "60.00")
    await customers.bia.mutate("captureHold", holdId=hold["id"])
    assert await customers.bia.money() == ("60.00", "60.00", "0.00")


async def test_only_the_payee_can_release_a_hold(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    for mutation in ("releaseHold", "captureHold"):
        assert (await customers.ana.refused(mutation, holdId=hold["id"]))[0] == "HOLD_NOT_FOUND"
    released = await customers.bia.mutate("releaseHold", holdId=hold["id"])
    assert released["hold"]["status"] == "RELEASED"
    assert await customers.ana.money() == ("100.00", "100.00", "0.00")
    assert (await customers.staff.refused("releaseHold", holdId="nothing"))[0] == "HOLD_NOT_FOUND"


async def test_only_one_of_many_concurrent_ends_of_a_hold_happens(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    ends = [
        customers.staff.mutate("captureHold" if number % 2 else "releaseHold", holdId=hold["id"], key=f"e{number}")
        for number in range(12)
    ]
    payloads = await asyncio.gather(*ends)
    assert sum(payload["hold"] is not None for payload in payloads) == 1
    balance, available, held = await customers.ana.money()
    assert (balance == available, held) == (True, "0.00")


async def test_an_expired_hold_makes_its_money_available_again(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        customers = await register_customers(bank)
        soon = (clock.now() + timedelta(minutes=5)).isoformat()
        hold = (await _held(customers, expiresAt=soon))["hold"]
        clock.moment += timedelta(minutes=5)
        # This holds from the expiry on, even if the money is not yet available again.
        code, _ = await customers.bia.refused("captureHold", holdId=hold["id"])
        assert code == "HOLD_ENDED"
        async with asyncio.timeout(10):
            while (await customers.ana.read("heldBalance { amount }"))["heldBalance"]["amount"] != "0.00":
                await expire_once(bank.bank.ledger, bank.bank.database, clock)
        assert await customers.ana.money() == ("100.00", "100.00", "0.00")
        seen = await customers.ana.read("holds { id status }")
        assert seen["holds"] == [{"id": hold["id"], "status": "EXPIRED"}]


@pytest.mark.parametrize("days", [0, 31])
async def test_a_hold_that_expires_now_or_after_a_month_is_refused(running_bank: RunningBank, days: int) -> None:
    customers = await register_customers(running_bank)
    expires_at = (running_bank.bank.clock.now() + timedelta(days=days)).isoformat()
    given = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl("1.00")}
    assert await customers.ana.refused("authorizeHold", **given, expiresAt=expires_at) == (
        "INVALID_INPUT",
        ["input", "expiresAt"],
    )


async def test_pages_of_holds_say_whether_there_are_more(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    made = [(await _held(customers, amount=f"{number}.00"))["hold"]["id"] for number in (1, 2, 3)]

    async def page(**given: Any) -> tuple[list[str], bool, bool, str | None]:
        reply = await customers.ana.client.run("AccountHoldPage", id=customers.ana.id, **given)
        shown = reply.data["account"]["holdPage"]
        ids = [edge["node"]["id"] for edge in shown["edges"]]
        assert [node["id"] for node in shown["nodes"]] == ids
        info = shown["pageInfo"]
        return ids, info["hasNextPage"], info["hasPreviousPage"], info["endCursor"]

    ids, more, before, cursor = await page(first=2)
    assert (ids, more, before) == (made[:0:-1], True, False)
    assert await page(first=2, after=cursor) == (made[:1], False, True, made[0])
    assert await page(after=made[0]) == ([], False, True, None)
    assert (await page())[:2] == (made[::-1], False)
    for wrong in ({"after": "v3"}, {"after": ""}, {"first": 0}, {"first": 101}):
        reply = await customers.ana.client.run("AccountHoldPage", id=customers.ana.id, **wrong)
        assert reply.code == "BAD_INPUT"


async def test_a_capture_that_cannot_be_posted_leaves_the_hold_unchanged(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    await customers.staff.mutate("freezeAccount", accountNumber=customers.bia.number, reason="court order")
    assert (await customers.staff.refused("captureHold", holdId=hold["id"]))[0] == "ACCOUNT_FROZEN"
    assert await customers.ana.money() == ("100.00", "40.00", "60.00")
    await customers.staff.mutate("unfreezeAccount", accountNumber=customers.bia.number, reason="lifted")
    assert (await customers.staff.mutate("captureHold", holdId=hold["id"]))["userErrors"] == []


async def test_the_database_refuses_to_spend_held_money(running_bank: RunningBank, database_url: str) -> None:
    customers = await register_customers(running_bank)
    hold = (await _held(customers))["hold"]
    async with connected(database_url) as connection:
        for statement, why in (
            (f"update accounts set held_minor = 0 where id = '{customers.ana.id}'", "sum of its holds"),
            (f"update accounts set held_minor = 10001 where id = '{customers.ana.id}'", "customers_do_not_overdraw"),
            (f"update holds set amount_minor = 1 where id = '{hold['id']}'", "a hold ends once"),
            (f"delete from holds where id = '{hold['id']}'", "a hold ends once"),
            ("truncate holds", "never changed or deleted"),
        ):
            with pytest.raises(asyncpg.PostgresError, match=why):
                await connection.execute(statement)
