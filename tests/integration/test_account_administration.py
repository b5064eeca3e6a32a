"""Freezing, unfreezing and closing accounts: the effect is final and visible to everybody."""

import json

from tests.integration.api import RunningBank
from tests.integration.town import brl, build_town


async def test_a_frozen_account_neither_pays_nor_receives_until_it_is_unfrozen(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    frozen = await town.staff.do("freezeAccount", accountNumber=town.ana.number, reason="suspicion")
    assert frozen["account"]["status"] == "FROZEN"
    assert (await town.ana.see("status"))["status"] == "FROZEN"
    pay = {"fromAccountId": town.ana.id, "toAccountNumber": town.bia.number, "amount": brl("1.00")}
    assert (await town.ana.refused("transfer", **pay))[0] == "ACCOUNT_FROZEN"
    assert await town.staff.refused("deposit", accountNumber=town.ana.number, amount=brl("1.00")) == (
        "ACCOUNT_FROZEN",
        ["input", "accountNumber"],
    )
    await town.staff.do("freezeAccount", accountNumber=town.ana.number, reason="again")
    await town.staff.do("unfreezeAccount", accountNumber=town.ana.number, reason="cleared")
    assert (await town.ana.do("transfer", **pay))["userErrors"] == []
    async with running_bank.bank.database.connection() as connection:
        rows = await connection.fetch(
            "select event_type, event_data from event_store where event_type like 'Account%frozenEvent' or event_type "
            "= 'AccountFrozenEvent' order by position"
        )
    told = [(row["event_type"], json.loads(row["event_data"])["reason"]) for row in rows]
    assert told == [("AccountFrozenEvent", "suspicion"), ("AccountUnfrozenEvent", "cleared")]


async def test_only_an_empty_account_is_closed_by_its_owner_and_then_for_good(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    assert (await town.ana.refused("closeAccount", accountId=town.ana.id))[0] == "ACCOUNT_NOT_EMPTY"
    assert (await town.ana.refused("closeAccount", accountId=town.bia.id))[0] == "ACCOUNT_NOT_FOUND"
    closed = await town.bia.do("closeAccount", accountId=town.bia.id)
    assert closed["account"]["status"] == "CLOSED"
    assert (await town.bia.do("closeAccount", accountId=town.bia.id))["account"]["status"] == "CLOSED"
    for mutation in ("freezeAccount", "unfreezeAccount"):
        refused = await town.staff.refused(mutation, accountNumber=town.bia.number, reason="late")
        assert refused == ("ACCOUNT_CLOSED", ["input", "accountNumber"])
    pay = {"fromAccountId": town.ana.id, "toAccountNumber": town.bia.number, "amount": brl("1.00")}
    assert (await town.ana.refused("transfer", **pay))[0] == "ACCOUNT_CLOSED"


async def test_an_account_with_a_hold_cannot_be_closed(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    hold = {"fromAccountId": town.ana.id, "toAccountNumber": town.bia.number, "amount": brl("100.00")}
    await town.ana.do("authorizeHold", **hold)
    assert (await town.staff.refused("closeAccount", accountId=town.ana.id))[0] == "ACCOUNT_NOT_EMPTY"


async def test_a_reason_is_required_and_has_one_line(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    for reason in ("", "x" * 141, "two\nlines"):
        refused = await town.staff.refused("freezeAccount", accountNumber=town.ana.number, reason=reason)
        assert refused == ("INVALID_INPUT", ["input", "reason"])
    assert (await town.ana.see("status"))["status"] == "ACTIVE"
