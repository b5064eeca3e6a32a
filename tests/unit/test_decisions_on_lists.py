"""Decisions on lists of transfers, atomic or not."""

from typing import Any

import pytest

from bank.idempotency.outcomes import Outcome
from bank.refusal import Refusal
from bank.transfers.batch import TRANSFERS_MAX, SubmitTransferBatch, submit_transfer_batch
from bank.transfers.transfer import SubmitTransfer
from tests.unit.in_memory_ledger import (
    ANA,
    ANAS_OTHER,
    TERMS,
    WRONG_IN_ITSELF,
    InMemoryLedger,
    items_of,
    refused,
    transfer,
)


async def send_list(
    ledger: InMemoryLedger, *items: SubmitTransfer, all_or_none: bool = True, key: str = "k"
) -> Outcome:
    command = SubmitTransferBatch(caller_id=ANA, key=key, all_or_none=all_or_none, items=items)
    return await submit_transfer_batch(ledger, TERMS, command)  # type: ignore[arg-type]  # in memory


async def test_one_refused_item_rolls_an_atomic_list_back_and_is_named() -> None:
    ledger = InMemoryLedger()
    before = dict(ledger.accounts)
    outcome = await send_list(ledger, transfer(), transfer(to_id=ANAS_OTHER), transfer(to_id=None))
    assert refused(outcome) == ("ACCOUNT_NOT_FOUND", ("transfers", "2", "toAccountNumber"))
    assert isinstance(outcome.result, Refusal)
    assert "item 3" in outcome.result.message
    assert (ledger.accounts, ledger.batch.posted, len(ledger.other_events)) == (before, [], 1)
    assert (await send_list(ledger, transfer(), transfer(to_id=ANAS_OTHER), transfer(to_id=None))).replayed


async def test_each_item_of_a_list_that_is_not_atomic_has_its_own_outcome() -> None:
    ledger = InMemoryLedger()
    outcome = await send_list(ledger, transfer(), transfer(to_id=None), transfer(amount="20.00"), all_or_none=False)
    one, two, three = items_of(outcome)
    assert isinstance(two, Refusal)
    assert (one.amount_minor, two.code, three.amount_minor) == (1_000, "ACCOUNT_NOT_FOUND", 2_000)  # type: ignore[union-attr]
    assert three.debit_balance_after_minor == 97_000  # type: ignore[union-attr]
    assert len(ledger.batch.posted) == 2
    assert [told.code for told in ledger.other_events] == ["ACCOUNT_NOT_FOUND"]


@pytest.mark.parametrize("count", [0, TRANSFERS_MAX + 1])
async def test_a_list_has_one_to_a_hundred_items(count: int) -> None:
    ledger = InMemoryLedger()
    assert refused(await send_list(ledger, *[transfer()] * count)) == ("INVALID_INPUT", ("transfers",))
    assert ledger.known == {}


@pytest.mark.parametrize(("given", "code", "field"), WRONG_IN_ITSELF)
async def test_an_invalid_item_is_named_and_leaves_the_key_unused(
    given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = InMemoryLedger()
    assert refused(await send_list(ledger, transfer(), transfer(**given))) == (code, ("transfers", "1", *field))
    assert (ledger.known, ledger.other_events[0].action) == ({}, "transferBatch")


async def test_a_list_needs_a_key_and_may_have_a_hundred_items() -> None:
    ledger = InMemoryLedger()
    assert refused(await send_list(ledger, transfer(), key="")) == ("INVALID_INPUT", ("idempotencyKey",))
    assert len(items_of(await send_list(ledger, *[transfer(amount="0.01")] * TRANSFERS_MAX))) == TRANSFERS_MAX
