"""Invalid input is refused with the field that the client sent, and does not use up its key."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.api import RunningBank
from tests.integration.customers import Customers, brl, register_customers

NO_IDS = ["", "nonsense", "00000000-0000-0000-0000-000000000000", "1", "0001/00000042-4", "x" * 10_000]


async def _held(customers: Customers, amount: str = "10.00", **more: Any) -> dict[str, Any]:
    given = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl(amount)}
    payload: dict[str, Any] = await customers.ana.mutate("authorizeHold", **given, **more)
    return payload


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=-1), timedelta(days=31), timedelta(days=2_000_000)])
async def test_an_expiry_out_of_bounds_leaves_the_key_unused(running_bank: RunningBank, later: timedelta) -> None:
    customers = await register_customers(running_bank)
    for key in ("k", "k"):
        refused = await _held(customers, key=key, expiresAt=(running_bank.bank.clock.now() + later).isoformat())
        assert [error["code"] for error in refused["userErrors"]] == ["INVALID_INPUT"]
        assert (refused["replayed"], refused["userErrors"][0]["field"]) == (False, ["input", "expiresAt"])
    soon = (running_bank.bank.clock.now() + timedelta(days=1)).isoformat()
    done = await _held(customers, key="k", expiresAt=soon)
    assert (done["userErrors"], done["replayed"]) == ([], False)
    assert (await _held(customers, key="k", expiresAt=soon))["replayed"] is True


@pytest.mark.parametrize("id_", NO_IDS)
async def test_an_impossible_id_leaves_the_key_unused(running_bank: RunningBank, id_: str) -> None:
    customers = await register_customers(running_bank)
    moved = {"toAccountNumber": customers.bia.number, "amount": brl("1.00")}
    for mutation, given, code, field in (
        ("transfer", {"fromAccountId": id_, **moved}, "ACCOUNT_NOT_FOUND", ["fromAccountId"]),
        ("authorizeHold", {"fromAccountId": id_, **moved}, "ACCOUNT_NOT_FOUND", ["fromAccountId"]),
        (
            "transferBatch",
            {"atomic": False, "transfers": [{"fromAccountId": id_, **moved}]},
            "ACCOUNT_NOT_FOUND",
            ["transfers", "0", "fromAccountId"],
        ),
        ("captureHold", {"holdId": id_}, "HOLD_NOT_FOUND", ["holdId"]),
        ("releaseHold", {"holdId": id_}, "HOLD_NOT_FOUND", ["holdId"]),
        ("reverseTransaction", {"transactionId": id_}, "TRANSACTION_NOT_FOUND", ["transactionId"]),
    ):
        assert await customers.ana.refused(mutation, key="k", **given) == (code, ["input", *field])
    done = await customers.ana.mutate("transfer", key="k", fromAccountId=customers.ana.id, **moved)
    assert (done["userErrors"], done["replayed"]) == ([], False)
    assert await customers.ana.refused("closeAccount", accountId=id_) == ("ACCOUNT_NOT_FOUND", ["input", "accountId"])


async def test_refusals_name_the_fields_that_the_client_sent(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    sent = await customers.ana.mutate(
        "transfer", fromAccountId=customers.ana.id, toAccountNumber=customers.bia.number, amount=brl("60.00")
    )
    transaction_id = sent["transaction"]["id"]
    too_long = "x" * 141
    assert await customers.bia.refused("reverseTransaction", transactionId=transaction_id, reason=too_long) == (
        "INVALID_INPUT",
        ["input", "reason"],
    )
    await customers.bia.mutate(
        "transfer", fromAccountId=customers.bia.id, toAccountNumber=customers.ana.number, amount=brl("60.00")
    )
    assert await customers.bia.refused("reverseTransaction", transactionId=transaction_id) == (
        "INSUFFICIENT_FUNDS",
        ["input", "transactionId"],
    )
    assert await customers.bia.refused("reverseTransaction", transactionId=transaction_id, amount=brl("1.00")) == (
        "INSUFFICIENT_FUNDS",
        ["input", "amount"],
    )
    for mutation, given in (
        ("transfer", {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}),
        ("authorizeHold", {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}),
        ("withdraw", {"accountNumber": customers.ana.number}),
    ):
        refused = await customers.ana.refused(mutation, **given, amount=brl("1.00"), description=too_long)
        assert refused == ("INVALID_INPUT", ["input", "description"])


async def test_a_refused_item_of_a_list_names_its_place_in_the_list(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    item = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}
    done = await customers.ana.mutate(
        "transferBatch", atomic=False, transfers=[{**item, "amount": brl("1.00")}, {**item, "amount": brl("999.00")}]
    )
    assert [error["field"] for error in done["results"][1]["userErrors"]] == [["input", "transfers", "1", "amount"]]


async def test_an_omitted_limit_is_kept_and_null_removes_it(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)

    async def limits(**given: Any) -> list[str]:
        payload = await customers.staff.mutate("setAccountLimits", accountNumber=customers.ana.number, **given)
        assert payload["userErrors"] == []
        shown = payload["account"]["limits"]
        return [shown["perTransfer"]["amount"], shown["perDay"]["amount"]]

    once, a_day = await limits()
    assert await limits(perTransfer=brl("20.00")) == ["20.00", a_day]
    assert await limits(perDay=brl("50.00")) == ["20.00", "50.00"]
    assert await limits() == ["20.00", "50.00"]
    assert await limits(perTransfer=None) == [once, "50.00"]
    assert await limits(perTransfer=brl("0.00"), perDay=None) == ["0.00", a_day]
    document = (
        "mutation ($once: MoneyInput, $day: MoneyInput, $to: AccountNumber!) "
        "{ setAccountLimits(input: {accountNumber: $to, perTransfer: $once, perDay: $day}) { userErrors { code } } }"
    )
    variables = {"to": customers.ana.number, "day": brl("7.00")}
    assert (await customers.staff.client.send(document, variables)).data["setAccountLimits"]["userErrors"] == []
    assert await limits() == ["0.00", "7.00"]
