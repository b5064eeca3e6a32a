"""Withdrawals: money leaves the bank, with a fee if one is set, and never more than the limits permit."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.customers import brl, register_customers
from tests.integration.payers import SetClock


async def test_a_withdrawal_moves_money_out_of_the_bank(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    paid = await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("30.00"), key="w")
    assert paid["userErrors"] == []
    assert (paid["transaction"]["kind"], paid["transaction"]["toAccountNumber"]) == ("WITHDRAWAL", None)
    assert (paid["balanceAfter"]["amount"], paid["fee"]["amount"]) == ("70.00", "0.00")
    again = await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("30.00"), key="w")
    assert again == {**paid, "replayed": True}
    assert await customers.ana.money() == ("70.00", "70.00", "0.00")


async def test_staff_pays_out_from_any_account_and_others_only_from_their_own(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    assert await customers.bia.refused("withdraw", accountNumber=customers.ana.number, amount=brl("1.00")) == (
        "ACCOUNT_NOT_FOUND",
        ["input", "accountNumber"],
    )
    assert (await customers.staff.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("1.00")))[
        "userErrors"
    ] == []
    assert await customers.ana.money() == ("99.00", "99.00", "0.00")


async def test_a_withdrawal_above_the_balance_is_refused(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    code, _ = await customers.ana.refused("withdraw", accountNumber=customers.ana.number, amount=brl("100.01"))
    assert code == "INSUFFICIENT_FUNDS"


async def test_a_fee_is_a_separate_transaction_that_names_its_cause(database_url: str, redis_url: str) -> None:
    settings = settings_for(database_url, redis_url, transfer_fee="0.50", withdrawal_fee="2.00")
    async with serving(settings) as bank:
        customers = await register_customers(bank)
        sent = await customers.ana.mutate(
            "transfer", fromAccountId=customers.ana.id, toAccountNumber=customers.bia.number, amount=brl("10.00")
        )
        assert (sent["balanceAfter"]["amount"], sent["fee"]["amount"]) == ("89.50", "0.50")
        drawn = await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("10.00"))
        assert (drawn["balanceAfter"]["amount"], drawn["fee"]["amount"]) == ("77.50", "2.00")
        history = await customers.ana.read(
            "transactions { edges { change { amount } node { kind relatedTransactionId } } }"
        )
        edges = history["transactions"]["edges"]
        assert [(edge["node"]["kind"], edge["change"]["amount"]) for edge in edges] == [
            ("FEE", "-2.00"),
            ("WITHDRAWAL", "-10.00"),
            ("FEE", "-0.50"),
            ("TRANSFER", "-10.00"),
            ("DEPOSIT", "100.00"),
        ]
        assert edges[0]["node"]["relatedTransactionId"] == drawn["transaction"]["id"]
        assert edges[2]["node"]["relatedTransactionId"] == sent["transaction"]["id"]
        async with bank.bank.database.connection() as connection:
            earned = await connection.fetchval("select balance_minor from accounts where kind = 'FEES'")
        assert earned == 250


async def test_an_operation_is_refused_if_its_fee_is_not_covered(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url, withdrawal_fee="2.00")) as bank:
        customers = await register_customers(bank)
        code, _ = await customers.ana.refused("withdraw", accountNumber=customers.ana.number, amount=brl("98.01"))
        assert code == "INSUFFICIENT_FUNDS"
        assert await customers.ana.money() == ("100.00", "100.00", "0.00")
        drawn = await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("98.00"))
        assert drawn["balanceAfter"]["amount"] == "0.00"


async def test_debits_of_an_account_are_limited_per_transfer_and_per_day(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    limited = await customers.staff.mutate(
        "setAccountLimits", accountNumber=customers.ana.number, perTransfer=brl("20.00"), perDay=brl("50.00")
    )
    assert limited["account"]["limits"] == {
        "perTransfer": {"amount": "20.00"},
        "perDay": {"amount": "50.00"},
        "leftToday": {"amount": "50.00"},
    }

    async def pay(amount: str) -> str | None:
        paid = await customers.ana.mutate(
            "transfer", fromAccountId=customers.ana.id, toAccountNumber=customers.bia.number, amount=brl(amount)
        )
        return paid["userErrors"][0]["code"] if paid["userErrors"] else None

    assert await pay("20.01") == "LIMIT_EXCEEDED"
    assert [await pay("20.00"), await pay("20.00"), await pay("10.01")] == [None, None, "LIMIT_EXCEEDED"]
    assert await customers.ana.refused("withdraw", accountNumber=customers.ana.number, amount=brl("10.01")) == (
        "LIMIT_EXCEEDED",
        ["input", "amount", "amount"],
    )
    hold = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number, "amount": brl("10.00")}
    assert (await customers.ana.mutate("authorizeHold", **hold))["userErrors"] == []
    assert await pay("0.01") == "LIMIT_EXCEEDED"
    assert (await customers.ana.read("limits { leftToday { amount } }"))["limits"]["leftToday"]["amount"] == "0.00"
    # Incoming money has no limit, and neither do payments by others.
    assert (await customers.staff.mutate("deposit", accountNumber=customers.ana.number, amount=brl("500.00")))[
        "userErrors"
    ] == []
    freed = await customers.staff.mutate(
        "setAccountLimits", accountNumber=customers.ana.number, perTransfer=None, perDay=None
    )
    assert freed["account"]["limits"]["perTransfer"]["amount"] == "1000000.00"
    assert await pay("20.01") is None


async def test_the_daily_limit_starts_again_at_midnight_in_brasilia(database_url: str, redis_url: str) -> None:
    # 23:59:59 in Brasília, which is three hours behind UTC.
    clock = SetClock(datetime(2026, 11, 23, 2, 59, 59, tzinfo=UTC))
    async with serving(settings_for(database_url, redis_url, daily_limit="50.00"), clock=clock) as bank:
        customers = await register_customers(bank)
        given = {"accountNumber": customers.ana.number, "amount": brl("50.00")}
        assert (await customers.ana.mutate("withdraw", **given))["userErrors"] == []
        assert (await customers.ana.refused("withdraw", **given))[0] == "LIMIT_EXCEEDED"
        clock.moment += timedelta(seconds=1)
        assert (await customers.ana.mutate("withdraw", **given))["userErrors"] == []


@pytest.mark.parametrize("limit", ["-0.01", "1.001", "x"])
async def test_an_invalid_limit_is_refused_and_changes_nothing(running_bank: RunningBank, limit: str) -> None:
    customers = await register_customers(running_bank)
    document = (
        "mutation M($i: SetAccountLimitsInput!) { setAccountLimits(input: $i) { account { id } userErrors { code } } }"
    )
    reply = await customers.staff.client.send(
        document, {"i": {"accountNumber": customers.ana.number, "perDay": brl(limit)}}
    )
    if "errors" in reply.body:
        assert "Decimal" in reply.body["errors"][0]["message"]
    else:
        assert reply.data["setAccountLimits"]["userErrors"] == [{"code": "INVALID_AMOUNT"}]
    assert (await customers.ana.read("limits { perDay { amount } }"))["limits"]["perDay"]["amount"] == "5000000.00"


async def test_only_staff_sets_limits_and_statuses(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    for mutation in ("freezeAccount", "unfreezeAccount", "setAccountLimits"):
        kind = "SetAccountLimitsInput" if mutation == "setAccountLimits" else "FreezeAccountInput"
        given = {"accountNumber": customers.ana.number} | ({} if mutation == "setAccountLimits" else {"reason": "r"})
        document = f"mutation M($i: {kind}!) {{ {mutation}(input: $i) {{ userErrors {{ code }} }} }}"
        reply = await customers.ana.client.send(document, {"i": given})
        assert reply.code == "FORBIDDEN"
