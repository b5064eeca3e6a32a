"""Lists of transfers, atomic or not; each transfer sees the effects of the previous ones."""

from typing import Any

from tests.integration.api import RunningBank
from tests.integration.customers import Customers, Person, brl, register_customers


def _item(sender: Person, receiver: Person, amount: str) -> dict[str, Any]:
    return {"fromAccountId": sender.id, "toAccountNumber": receiver.number, "amount": brl(amount)}


async def _second_account(customers: Customers) -> Person:
    return Person(customers.ana.client, await customers.ana.client.account("second"))


async def test_an_atomic_list_executes_completely_and_items_see_earlier_ones(
    running_bank: RunningBank,
) -> None:
    customers = await register_customers(running_bank)
    second = await _second_account(customers)
    items = [
        _item(customers.ana, second, "100.00"),
        _item(second, customers.bia, "60.00"),
        _item(second, customers.ana, "40.00"),
    ]
    done = await customers.ana.mutate("transferBatch", transfers=items, key="b")
    assert done["userErrors"] == []
    assert [result["balanceAfter"]["amount"] for result in done["results"]] == ["0.00", "40.00", "0.00"]
    assert await customers.ana.money() == ("40.00", "40.00", "0.00")
    assert await customers.ana.mutate("transferBatch", transfers=items, key="b") == {**done, "replayed": True}
    assert await customers.bia.money() == ("60.00", "60.00", "0.00")


async def test_one_refused_item_rolls_an_atomic_list_back_and_is_named(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    items = [
        _item(customers.ana, customers.bia, "60.00"),
        _item(customers.ana, customers.bia, "40.01"),
        _item(customers.ana, customers.bia, "1.00"),
    ]
    payload = await customers.ana.mutate("transferBatch", transfers=items)
    assert payload["results"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("INSUFFICIENT_FUNDS", ["input", "transfers", "1", "amount"])
    assert "item 2" in error["message"]
    assert await customers.ana.money() == ("100.00", "100.00", "0.00")
    assert (await customers.ana.read("transactions { nodes { kind } }"))["transactions"]["nodes"] == [
        {"kind": "DEPOSIT"}
    ]


async def test_each_item_of_a_list_that_is_not_atomic_has_its_own_outcome(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    items = [
        _item(customers.ana, customers.bia, "60.00"),
        _item(customers.ana, customers.bia, "40.01"),
        _item(customers.ana, customers.bia, "40.00"),
    ]
    done = await customers.ana.mutate("transferBatch", atomic=False, transfers=items, key="b")
    codes = [[error["code"] for error in result["userErrors"]] for result in done["results"]]
    assert codes == [[], ["INSUFFICIENT_FUNDS"], []]
    assert await customers.ana.money() == ("0.00", "0.00", "0.00")
    await customers.staff.mutate("deposit", accountNumber=customers.ana.number, amount=brl("500.00"))
    again = await customers.ana.mutate("transferBatch", atomic=False, transfers=items, key="b")
    assert again == {**done, "replayed": True}
    code, _ = await customers.ana.refused("transferBatch", atomic=True, transfers=items, key="b")
    assert code == "IDEMPOTENCY_KEY_REUSED"


async def test_a_list_from_the_account_of_another_user_moves_nothing(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    items = [_item(customers.ana, customers.bia, "1.00")]
    assert (await customers.bia.refused("transferBatch", transfers=items))[0] == "ACCOUNT_NOT_FOUND"
    assert await customers.ana.money() == ("100.00", "100.00", "0.00")


async def test_an_invalid_list_is_refused_and_leaves_the_key_unused(
    running_bank: RunningBank,
) -> None:
    customers = await register_customers(running_bank)
    good, bad = _item(customers.ana, customers.bia, "1.00"), _item(customers.ana, customers.bia, "1.001")
    assert await customers.ana.refused("transferBatch", transfers=[], key="b") == (
        "INVALID_INPUT",
        ["input", "transfers"],
    )
    assert (await customers.ana.refused("transferBatch", transfers=[good] * 101, key="b"))[0] == "INVALID_INPUT"
    assert await customers.ana.refused("transferBatch", transfers=[good, bad], key="b") == (
        "INVALID_AMOUNT",
        ["input", "transfers", "1", "amount", "amount"],
    )
    done = await customers.ana.mutate("transferBatch", transfers=[good] * 100, key="b")
    assert (len(done["results"]), done["replayed"]) == (100, False)
    assert await customers.ana.money() == ("0.00", "0.00", "0.00")
