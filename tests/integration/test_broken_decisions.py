"""A bug in one decision affects that command only; a bug after the commit affects no answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from bank.errors import BankError
from bank.idempotency.outcomes import Outcome, Receipt
from bank.ledger import write
from bank.ledger.batch import Batch
from bank.ledger.model import Account
from tests.integration.books import Books

KEYS = "select key from idempotency_keys where operation = 'transfer' order by 1"


@pytest.fixture
def raising_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a bug: the decision of a transfer of a multiple of seven cents raises after its posting was applied."""
    entered = Batch._post

    def broken(batch: Batch, posting: Any, *rest: Any) -> None:
        entered(batch, posting, *rest)
        if posting.kind == "TRANSFER" and posting.amount_minor % 7 == 0:
            raise KeyError("my bug")

    monkeypatch.setattr(Batch, "_post", broken)


async def outcomes(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.usefixtures("raising_decisions")
async def test_a_raising_decision_fails_alone_and_the_rest_of_the_batch_is_written(books: Books) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    amounts = ["1.00", "0.07", "2.00", "0.14", "3.00"]
    with structlog.testing.capture_logs() as lines:
        found = await outcomes(*[books.transfer(ana, bia, amount, key=f"t-{amount}") for amount in amounts])
    assert [type(one) for one in found] == [Outcome, BankError, Outcome, BankError, Outcome]
    assert {one.code for one in found if isinstance(one, BankError)} == {"INTERNAL"}
    assert await books.balances_minor(ana, bia) == [10_000 - 600, 600]
    assert [(line["event"], line["operation"]) for line in lines] == [("decision_failed", "transfer")] * 2
    assert [row["key"] for row in await books.connection.fetch(KEYS)] == ["t-1.00", "t-2.00", "t-3.00"]


async def test_a_key_whose_decision_raised_is_decided_again_after_the_bug_is_fixed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    with monkeypatch.context() as planted:
        planted.setattr(Batch, "_post", None)
        [found] = await outcomes(books.transfer(ana, bia, "1.00", key="t"))
        assert (type(found), found.code) == (BankError, "INTERNAL")
    again = await books.transfer(ana, bia, "1.00", key="t")
    assert isinstance(again.result, Receipt)
    assert not again.replayed
    assert await books.balances_minor(ana, bia) == [9_900, 100]


async def test_a_command_that_the_guards_refuse_fails_alone(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    columns = write.columns

    def unbalanced(batch: Batch) -> dict[str, Any]:
        made = columns(batch)
        made["debit_balances"] = tuple(
            balance + (amount == 7) for balance, amount in zip(made["debit_balances"], made["amounts"], strict=True)
        )
        return dict(made)

    monkeypatch.setattr(write, "columns", unbalanced)
    found = await outcomes(*[books.transfer(ana, bia, amount, key=amount) for amount in ("1.00", "0.07", "2.00")])
    assert [type(one) for one in found] == [Outcome, BankError, Outcome]
    assert found[1].code == "INTERNAL"
    assert await books.balances_minor(ana, bia) == [9_700, 300]


async def test_a_written_command_is_acknowledged_although_the_cache_or_the_bus_fails(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()

    async def broken(_accounts: Sequence[Account]) -> None:
        raise RuntimeError("my bug")

    def broken_publish(*_: Any, **__: Any) -> None:
        raise RuntimeError("my bug")

    monkeypatch.setattr(books.ledger, "_write_through", broken)
    monkeypatch.setattr(books.bus, "publish", broken_publish)
    outcome = await books.transfer(ana, bia, "1.00", key="t")
    assert isinstance(outcome.result, Receipt)
    assert await books.balances_minor(ana, bia) == [9_900, 100]


@pytest.mark.parametrize("broken", ["not a number", 2**70])
async def test_a_command_with_an_unencodable_value_fails_alone(
    books: Books, monkeypatch: pytest.MonkeyPatch, broken: object
) -> None:
    ana, bia = await books.open_account(balance_minor=10_000), await books.open_account()
    columns = write.columns

    def spoilt(batch: Batch) -> dict[str, Any]:
        made = dict(columns(batch))
        made["debit_balances"] = tuple(
            broken if amount == 7 else balance
            for balance, amount in zip(made["debit_balances"], made["amounts"], strict=True)
        )
        return made

    monkeypatch.setattr(write, "columns", spoilt)
    found = await outcomes(*[books.transfer(ana, bia, amount, key=amount) for amount in ("1.00", "0.07", "2.00")])
    assert [type(one) for one in found] == [Outcome, BankError, Outcome]
    assert found[1].code == "INTERNAL"
