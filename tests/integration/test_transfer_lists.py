"""Lists of transfers, atomic or not; each transfer sees the effects of the previous ones."""

from typing import Any

from tests.integration.api import RunningBank
from tests.integration.town import Person, Town, brl, build_town


def _item(sender: Person, receiver: Person, amount: str) -> dict[str, Any]:
    return {"fromAccountId": sender.id, "toAccountNumber": receiver.number, "amount": brl(amount)}


async def _second_account(town: Town) -> Person:
    return Person(town.ana.client, await town.ana.client.account("second"))


async def test_an_atomic_list_executes_completely_and_items_see_earlier_ones(
    running_bank: RunningBank,
) -> None:
    town = await build_town(running_bank)
    second = await _second_account(town)
    items = [_item(town.ana, second, "100.00"), _item(second, town.bia, "60.00"), _item(second, town.ana, "40.00")]
    done = await town.ana.do("transferBatch", transfers=items, key="b")
    assert done["userErrors"] == []
    assert [result["balanceAfter"]["amount"] for result in done["results"]] == ["0.00", "40.00", "0.00"]
    assert await town.ana.money() == ("40.00", "40.00", "0.00")
    assert await town.ana.do("transferBatch", transfers=items, key="b") == {**done, "replayed": True}
    assert await town.bia.money() == ("60.00", "60.00", "0.00")


async def test_one_refused_item_rolls_an_atomic_list_back_and_is_named(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    items = [_item(town.ana, town.bia, "60.00"), _item(town.ana, town.bia, "40.01"), _item(town.ana, town.bia, "1.00")]
    payload = await town.ana.do("transferBatch", transfers=items)
    assert payload["results"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("INSUFFICIENT_FUNDS", ["input", "transfers", "1", "amount"])
    assert "item 2" in error["message"]
    assert await town.ana.money() == ("100.00", "100.00", "0.00")
    assert (await town.ana.see("transactions { nodes { kind } }"))["transactions"]["nodes"] == [{"kind": "DEPOSIT"}]


async def test_each_item_of_a_list_that_is_not_atomic_has_its_own_outcome(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    items = [_item(town.ana, town.bia, "60.00"), _item(town.ana, town.bia, "40.01"), _item(town.ana, town.bia, "40.00")]
    done = await town.ana.do("transferBatch", atomic=False, transfers=items, key="b")
    codes = [[error["code"] for error in result["userErrors"]] for result in done["results"]]
    assert codes == [[], ["INSUFFICIENT_FUNDS"], []]
    assert await town.ana.money() == ("0.00", "0.00", "0.00")
    await town.staff.do("deposit", accountNumber=town.ana.number, amount=brl("500.00"))
    again = await town.ana.do("transferBatch", atomic=False, transfers=items, key="b")
    assert again == {**done, "replayed": True}
    code, _ = await town.ana.refused("transferBatch", atomic=True, transfers=items, key="b")
    assert code == "IDEMPOTENCY_KEY_REUSED"


async def test_a_list_from_the_account_of_another_user_moves_nothing(running_bank: RunningBank) -> None:
    town = await build_town(running_bank)
    items = [_item(town.ana, town.bia, "1.00")]
    assert (await town.bia.refused("transferBatch", transfers=items))[0] == "ACCOUNT_NOT_FOUND"
    assert await town.ana.money() == ("100.00", "100.00", "0.00")


async def test_an_invalid_list_is_refused_and_leaves_the_key_unused(
    running_bank: RunningBank,
) -> None:
    town = await build_town(running_bank)
    good, bad = _item(town.ana, town.bia, "1.00"), _item(town.ana, town.bia, "1.001")
    assert await town.ana.refused("transferBatch", transfers=[], key="b") == ("INVALID_INPUT", ["input", "transfers"])
    assert (await town.ana.refused("transferBatch", transfers=[good] * 101, key="b"))[0] == "INVALID_INPUT"
    assert await town.ana.refused("transferBatch", transfers=[good, bad], key="b") == (
        "INVALID_AMOUNT",
        ["input", "transfers", "1", "amount", "amount"],
    )
    done = await town.ana.do("transferBatch", transfers=[good] * 100, key="b")
    assert (len(done["results"]), done["replayed"]) == (100, False)
    assert await town.ana.money() == ("0.00", "0.00", "0.00")
