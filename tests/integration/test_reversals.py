"""Reversals, whole or in part: each is a transaction of its own, and all together never exceed the original."""

import asyncio

import asyncpg
import pytest

from tests.integration.api import RunningBank
from tests.integration.customers import Customers, brl, register_customers
from tests.integration.payers import connected


async def _paid(customers: Customers, amount: str = "40.00") -> str:
    sent = await customers.ana.mutate(
        "transfer", fromAccountId=customers.ana.id, toAccountNumber=customers.bia.number, amount=brl(amount)
    )
    return str(sent["transaction"]["id"])


async def test_a_reversal_names_its_original_and_moves_the_money_back(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    original = await _paid(customers)
    back = await customers.staff.mutate("reverseTransaction", transactionId=original, reason="sent twice", key="r")
    transaction = back["transaction"]
    assert (transaction["kind"], transaction["relatedTransactionId"]) == ("REVERSAL", original)
    assert (transaction["fromAccountNumber"], transaction["toAccountNumber"]) == (
        customers.bia.number,
        customers.ana.number,
    )
    assert transaction["amount"]["amount"] == "40.00"
    assert await customers.ana.money() == ("100.00", "100.00", "0.00")
    again = await customers.staff.mutate("reverseTransaction", transactionId=original, reason="sent twice", key="r")
    assert again == {**back, "replayed": True}


async def test_a_transaction_is_reversed_in_parts_up_to_its_amount(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    given = {"transactionId": await _paid(customers)}
    assert (await customers.staff.mutate("reverseTransaction", **given, amount=brl("15.00")))["userErrors"] == []
    assert await customers.staff.refused("reverseTransaction", **given, amount=brl("25.01")) == (
        "REVERSAL_EXCEEDS_ORIGINAL",
        ["input", "amount", "amount"],
    )
    rest = await customers.staff.mutate("reverseTransaction", **given)
    assert rest["transaction"]["amount"]["amount"] == "25.00"
    assert (await customers.staff.refused("reverseTransaction", **given))[0] == "NOT_REVERSIBLE"
    assert await customers.bia.money() == ("0.00", "0.00", "0.00")


async def test_concurrent_reversals_never_exceed_the_original_together(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    await customers.staff.mutate("deposit", accountNumber=customers.bia.number, amount=brl("1000.00"))
    original = await _paid(customers, "40.00")
    payloads = await asyncio.gather(
        *[
            customers.staff.mutate("reverseTransaction", transactionId=original, amount=brl("15.00"), key=f"r{number}")
            for number in range(12)
        ]
    )
    assert sum(payload["transaction"] is not None for payload in payloads) == 2
    assert await customers.ana.money() == ("90.00", "90.00", "0.00")


async def test_the_payee_may_reverse_a_transfer_and_the_payer_may_not(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    given = {"transactionId": await _paid(customers), "amount": brl("10.00")}
    assert await customers.ana.refused("reverseTransaction", **given) == (
        "TRANSACTION_NOT_FOUND",
        ["input", "transactionId"],
    )
    assert (await customers.bia.mutate("reverseTransaction", **given))["userErrors"] == []
    assert await customers.ana.money() == ("70.00", "70.00", "0.00")


async def test_a_reversal_and_an_unknown_transaction_cannot_be_reversed(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    back = await customers.staff.mutate("reverseTransaction", transactionId=await _paid(customers))
    code, _ = await customers.staff.refused("reverseTransaction", transactionId=back["transaction"]["id"])
    assert code == "NOT_REVERSIBLE"
    for unknown in ("nothing", "0199c0de-0000-7000-8000-000000000001"):
        assert (await customers.staff.refused("reverseTransaction", transactionId=unknown))[
            0
        ] == "TRANSACTION_NOT_FOUND"


async def test_a_reversal_of_spent_money_is_refused(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    original = await _paid(customers)
    await customers.bia.mutate("withdraw", accountNumber=customers.bia.number, amount=brl("0.01"))
    assert (await customers.staff.refused("reverseTransaction", transactionId=original))[0] == "INSUFFICIENT_FUNDS"


async def test_deposits_and_withdrawals_can_be_reversed(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    paid_in = await customers.staff.mutate("deposit", accountNumber=customers.bia.number, amount=brl("5.00"))
    drawn = await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("5.00"))
    for original in (paid_in, drawn):
        back = await customers.staff.mutate("reverseTransaction", transactionId=original["transaction"]["id"])
        assert back["userErrors"] == []
    assert await customers.bia.money() == ("0.00", "0.00", "0.00")
    assert await customers.ana.money() == ("100.00", "100.00", "0.00")


@pytest.mark.parametrize(
    ("kind", "amount", "swapped"), [("REVERSAL", 4_001, True), ("REVERSAL", 100, False)], ids=["more", "same way"]
)
async def test_the_database_refuses_reversals_beyond_their_original(
    running_bank: RunningBank, database_url: str, kind: str, amount: int, swapped: bool
) -> None:
    customers = await register_customers(running_bank)
    original = await _paid(customers)
    async with connected(database_url) as connection:
        sides = ("credit_account_id", "debit_account_id") if swapped else ("debit_account_id", "credit_account_id")
        with pytest.raises(asyncpg.PostgresError, match="reversals of transaction"):
            await connection.execute(
                "insert into transactions (id, kind, amount_minor, currency, debit_account_id, credit_account_id, "
                "initiated_by, related_id, debit_version, credit_version, created_at) "
                f"select gen_random_uuid(), $2, $3, 'BRL', {sides[0]}, {sides[1]}, id, id, 9, 9, now() "
                "from transactions where id = $1",
                original, kind, amount,
            )  # fmt: skip
