"""Staff do not act as staff on their own accounts, and an operator does not undo what an administrator did."""

import json
from typing import Any

import pytest

from bank.identity.roles import change_role
from tests.integration.api import RunningBank
from tests.integration.customers import Customers, Person, brl, register_customers

OWN = "OWN_ACCOUNT"


async def _staff(bank: RunningBank, name: str, role: str) -> Person:
    """Return a member of staff with an account."""
    email = f"{name}@example.com"
    await bank.client.person(email=email)
    await change_role(bank.bank.uow_factory, email=email, role=role)
    client = await bank.client.login(email)
    return Person(client, await client.account())


@pytest.fixture
async def customers(running_bank: RunningBank) -> Customers:
    return await register_customers(running_bank)


async def test_one_operator_alone_makes_no_money_on_their_own_account(
    running_bank: RunningBank, customers: Customers
) -> None:
    for role in ("OPERATOR", "ADMIN"):
        staff = await _staff(running_bank, role.lower(), role)
        own = {"accountNumber": staff.number}
        assert await staff.refused("deposit", **own, amount=brl("999999999.99")) == (OWN, ["input", "accountNumber"])
        assert await staff.refused("setAccountLimits", **own, perDay=None) == (OWN, ["input", "accountNumber"])
        for mutation in ("freezeAccount", "unfreezeAccount"):
            refused = await staff.refused(mutation, **own, reason="It is mine.")
            assert refused == (OWN, ["input", "accountNumber"])
        assert await staff.money() == ("0.00", "0.00", "0.00")


async def test_a_refusal_of_an_own_account_is_audited_and_stored_under_its_key(
    running_bank: RunningBank, customers: Customers
) -> None:
    staff = await _staff(running_bank, "otto", "OPERATOR")
    given = {"accountNumber": staff.number, "amount": brl("1.00")}
    assert (await staff.refused("deposit", key="k", **given))[0] == OWN
    assert (await staff.mutate("deposit", key="k", **given))["replayed"] is True
    await staff.refused("setAccountLimits", accountNumber=staff.number)
    await running_bank.caught_up()
    async with running_bank.bank.database.connection() as connection:
        rows = await connection.fetch(
            "select entity_id, new_values from audit_logs where action = 'REFUSE' order by number"
        )
    found = [(str(row["entity_id"]), json.loads(row["new_values"])) for row in rows]
    assert [(id_, values["action"], values["code"]) for id_, values in found] == [
        (staff.id, "deposit", OWN),
        (staff.id, "setAccountLimits", OWN),
    ]


async def test_staff_use_their_own_accounts_as_customers(running_bank: RunningBank, customers: Customers) -> None:
    staff = await _staff(running_bank, "otto", "OPERATOR")
    await customers.staff.mutate("deposit", accountNumber=staff.number, amount=brl("10.00"))
    pay = {"fromAccountId": staff.id, "toAccountNumber": customers.ana.number, "amount": brl("1.00")}
    for mutation, given in (("transfer", pay), ("withdraw", {"accountNumber": staff.number, "amount": brl("1.00")})):
        assert (await staff.mutate(mutation, **given))["userErrors"] == []
    paid = await customers.ana.mutate(
        "transfer", fromAccountId=customers.ana.id, toAccountNumber=staff.number, amount=brl("2.00")
    )
    returned = await staff.mutate("reverseTransaction", transactionId=paid["transaction"]["id"])
    assert returned["userErrors"] == []


async def test_staff_take_back_no_money_that_they_paid(running_bank: RunningBank, customers: Customers) -> None:
    staff = await _staff(running_bank, "otto", "OPERATOR")
    await customers.staff.mutate("deposit", accountNumber=staff.number, amount=brl("10.00"))
    pay = {"fromAccountId": staff.id, "toAccountNumber": customers.ana.number, "amount": brl("1.00")}
    paid, held = await staff.mutate("transfer", **pay), await staff.mutate("authorizeHold", **pay)
    transaction, hold = paid["transaction"]["id"], held["hold"]["id"]
    assert await staff.refused("reverseTransaction", transactionId=transaction) == (OWN, ["input", "transactionId"])
    for mutation in ("captureHold", "releaseHold"):
        assert await staff.refused(mutation, holdId=hold) == (OWN, ["input", "holdId"])
    assert (await customers.staff.mutate("releaseHold", holdId=hold))["userErrors"] == []
    assert (await customers.staff.mutate("reverseTransaction", transactionId=transaction))["userErrors"] == []


@pytest.mark.parametrize("is_first_frozen_by_operator", [False, True])
async def test_an_operator_does_not_unfreeze_what_an_administrator_froze(
    running_bank: RunningBank, customers: Customers, is_first_frozen_by_operator: bool
) -> None:
    admin = await _staff(running_bank, "ada", "ADMIN")
    given: dict[str, Any] = {"accountNumber": customers.ana.number, "reason": "A court asks."}
    if is_first_frozen_by_operator:
        await customers.staff.mutate("freezeAccount", **given)
    await admin.mutate("freezeAccount", **given)
    await customers.staff.mutate("freezeAccount", **given)
    await customers.staff.mutate("setAccountLimits", accountNumber=customers.ana.number, perDay=brl("1.00"))
    refused = await customers.staff.refused("unfreezeAccount", **given)
    assert refused == ("FROZEN_BY_ADMIN", ["input", "accountNumber"])
    assert (await customers.ana.read("status"))["status"] == "FROZEN"
    assert (await admin.mutate("unfreezeAccount", **given))["account"]["status"] == "ACTIVE"
    await customers.staff.mutate("freezeAccount", **given)
    assert (await customers.staff.mutate("unfreezeAccount", **given))["account"]["status"] == "ACTIVE"
