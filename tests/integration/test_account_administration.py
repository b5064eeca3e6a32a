"""Freezing, unfreezing and closing accounts: the effect is final and visible to everybody."""

import json

from tests.integration.api import RunningBank
from tests.integration.customers import brl, register_customers
from tests.integration.encryption import plain_rows


async def test_a_frozen_account_neither_pays_nor_receives_until_it_is_unfrozen(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    frozen = await customers.staff.mutate("freezeAccount", accountNumber=customers.ana.number, reason="suspicion")
    assert frozen["account"]["status"] == "FROZEN"
    assert (await customers.ana.read("status"))["status"] == "FROZEN"
    pay = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl("1.00")}
    assert (await customers.ana.refused("transfer", **pay))[0] == "ACCOUNT_FROZEN"
    assert await customers.staff.refused("deposit", accountNumber=customers.ana.number, amount=brl("1.00")) == (
        "ACCOUNT_FROZEN",
        ["input", "accountNumber"],
    )
    await customers.staff.mutate("freezeAccount", accountNumber=customers.ana.number, reason="again")
    await customers.staff.mutate("unfreezeAccount", accountNumber=customers.ana.number, reason="cleared")
    assert (await customers.ana.mutate("transfer", **pay))["userErrors"] == []
    async with running_bank.bank.database.connection() as connection:
        rows = await plain_rows(
            connection,
            running_bank.bank.cipher,
            "select event_type, event_data from event_store where event_type like 'Account%frozenEvent' or event_type "
            "= 'AccountFrozenEvent' order by position",
        )
    told = [(row["event_type"], json.loads(row["event_data"])["reason"]) for row in rows]
    assert told == [("AccountFrozenEvent", "suspicion"), ("AccountUnfrozenEvent", "cleared")]


async def test_only_an_empty_account_is_closed_by_its_owner_and_then_for_good(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    assert (await customers.ana.refused("closeAccount", accountId=customers.ana.id))[0] == "ACCOUNT_NOT_EMPTY"
    assert (await customers.ana.refused("closeAccount", accountId=customers.bia.id))[0] == "ACCOUNT_NOT_FOUND"
    closed = await customers.bia.mutate("closeAccount", accountId=customers.bia.id)
    assert closed["account"]["status"] == "CLOSED"
    assert (await customers.bia.mutate("closeAccount", accountId=customers.bia.id))["account"]["status"] == "CLOSED"
    for mutation in ("freezeAccount", "unfreezeAccount"):
        refused = await customers.staff.refused(mutation, accountNumber=customers.bia.number, reason="late")
        assert refused == ("ACCOUNT_CLOSED", ["input", "accountNumber"])
    pay = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl("1.00")}
    assert (await customers.ana.refused("transfer", **pay))[0] == "ACCOUNT_CLOSED"


async def test_an_account_with_a_hold_cannot_be_closed(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    hold = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl("100.00")}
    await customers.ana.mutate("authorizeHold", **hold)
    assert (await customers.staff.refused("closeAccount", accountId=customers.ana.id))[0] == "ACCOUNT_NOT_EMPTY"


async def test_a_reason_is_required_and_has_one_line(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    for reason in ("", "x" * 141, "two\nlines"):
        refused = await customers.staff.refused("freezeAccount", accountNumber=customers.ana.number, reason=reason)
        assert refused == ("INVALID_INPUT", ["input", "reason"])
    assert (await customers.ana.read("status"))["status"] == "ACTIVE"
