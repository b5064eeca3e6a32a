"""Decisions on reversals: permitted callers, amounts and currencies, and the results."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Original
from bank.ledger.policy import NIL_UUID
from bank.transfers import reverse
from bank.transfers.reverse import Reverse
from tests.unit.in_memory_ledger import (
    ANA,
    ANAS,
    BIA,
    BIAS,
    NOW,
    STAFF,
    TERMS,
    InMemoryLedger,
    account,
    fields_of,
    receipt_of,
    refused,
)

PAID = Original(
    id=UUID(int=51),
    kind="TRANSFER",
    debit_id=ANAS,
    credit_id=BIAS,
    amount_minor=5_000,
    currency="BRL",
    reversed_minor=1_000,
)


def ledger_with_payment(*changed: Any, **more: Any) -> InMemoryLedger:
    """Return a ledger on which Ana has paid Bia 50.00, of which 10.00 were reversed."""
    return InMemoryLedger(account(BIAS, BIA, 4_000), *changed, originals=[msgspec.structs.replace(PAID, **more)])


@pytest.fixture(autouse=True)
def _sides(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sides(_database: Any, transaction_id: UUID) -> tuple[tuple[UUID, ...], UUID | None]:
        return ((ANAS, BIAS), BIA) if transaction_id == PAID.id else ((), None)

    monkeypatch.setattr(reverse, "transaction_accounts", sides)


async def reverse_payment(ledger: InMemoryLedger, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "key": "k", "transaction_id": PAID.id, "amount": None, "currency": None}
    return await reverse.reverse(ledger, None, TERMS, Reverse(**{**given, **more}))  # type: ignore[arg-type]  # in memory


@pytest.mark.parametrize(("amount", "moved_minor"), [(None, 4_000), ("40.00", 4_000), ("12.50", 1_250)])
async def test_a_reversal_swaps_the_accounts_and_names_its_original(amount: str | None, moved_minor: int) -> None:
    ledger = ledger_with_payment()
    outcome = await reverse_payment(ledger, amount=amount, currency=amount and "BRL", reason="broken")
    [posted] = ledger.batch.posted
    assert fields_of(receipt_of(outcome)) == {
        "transaction_id": posted.transaction_id, "kind": "REVERSAL", "amount_minor": moved_minor, "currency": "BRL",
        "debit_number": "number-21", "credit_number": "number-11", "description": "broken", "created_at": NOW,
        "debit_balance_after_minor": 4_000 - moved_minor, "credit_balance_after_minor": 100_000 + moved_minor,
        "fee_minor": 0, "related_id": PAID.id, "hold_id": None,
    }  # fmt: skip
    assert (posted.related_id, posted.initiated_by) == (PAID.id, BIA)
    assert ledger.accounts[BIAS].spent_minor == 0
    again = await reverse_payment(ledger, amount=amount, currency=amount and "BRL", reason="broken")
    assert again == Outcome(outcome.result, replayed=True)


@pytest.mark.parametrize(
    ("changed", "given", "code", "field"),
    [
        ({}, {"transaction_id": UUID(int=404)}, "TRANSACTION_NOT_FOUND", ("transactionId",)),
        ({}, {"caller_id": ANA, "owner_id": ANA}, "TRANSACTION_NOT_FOUND", ("transactionId",)),
        ({"kind": "REVERSAL"}, {"owner_id": ANA}, "TRANSACTION_NOT_FOUND", ("transactionId",)),
        ({"kind": "REVERSAL"}, {}, "NOT_REVERSIBLE", ("transactionId",)),
        ({"reversed_minor": 5_000}, {}, "NOT_REVERSIBLE", ("transactionId",)),
        ({"currency": "USD"}, {"amount": "1.00", "currency": "BRL"}, "CURRENCY_MISMATCH", ("amount", "currency")),
        ({"currency": "USD"}, {}, "CURRENCY_MISMATCH", ("transactionId",)),
        ({}, {"amount": "40.01", "currency": "BRL"}, "REVERSAL_EXCEEDS_ORIGINAL", ("amount", "amount")),
        ({"reversed_minor": 0}, {"amount": "40.01", "currency": "BRL"}, "INSUFFICIENT_FUNDS", ("amount",)),
        ({"reversed_minor": 0}, {}, "INSUFFICIENT_FUNDS", ("transactionId",)),
    ],
)
async def test_a_refusal_of_a_reversal_by_the_state_of_the_accounts_is_stored(
    changed: dict[str, Any], given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = ledger_with_payment(**changed)
    before = dict(ledger.accounts)
    outcome = await reverse_payment(ledger, **given)
    assert refused(outcome) == (code, field)
    assert (ledger.accounts, ledger.batch.posted) == (before, [])
    assert (await reverse_payment(ledger, **given)).replayed


@pytest.mark.parametrize("whose", [(ANAS, ANA), (BIAS, BIA)])
async def test_a_reversal_from_or_to_a_frozen_account_is_refused(whose: tuple[UUID, UUID]) -> None:
    ledger = ledger_with_payment(account(*whose, 4_000, status="FROZEN"))
    assert refused(await reverse_payment(ledger)) == ("ACCOUNT_FROZEN", ("transactionId",))


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"key": ""}, "INVALID_INPUT", ("idempotencyKey",)),
        ({"transaction_id": NIL_UUID}, "TRANSACTION_NOT_FOUND", ("transactionId",)),
        ({"reason": "x" * 141}, "INVALID_INPUT", ("reason",)),
        ({"amount": "0.00", "currency": "BRL"}, "INVALID_AMOUNT", ("amount", "amount")),
        ({"amount": "1.00"}, "CURRENCY_MISMATCH", ("amount", "currency")),
    ],
)
async def test_an_invalid_reversal_leaves_the_key_unused(
    given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = ledger_with_payment()
    assert refused(await reverse_payment(ledger, **given)) == (code, field)
    assert (ledger.known, ledger.other_events[0].action, ledger.other_events[0].initiated_by) == (
        {},
        "reverseTransaction",
        BIA,
    )


async def test_staff_may_reverse_any_transaction() -> None:
    assert (
        receipt_of(await reverse_payment(ledger_with_payment(), caller_id=STAFF, owner_id=None)).amount_minor == 4_000
    )


async def test_reversals_in_one_batch_never_exceed_the_original() -> None:
    ledger = ledger_with_payment()
    assert receipt_of(await reverse_payment(ledger, amount="25.00", currency="BRL")).amount_minor == 2_500
    again = ledger.batch.decide(msgspec.structs.replace(ledger.command, key="k2"))
    assert isinstance(again, Outcome)
    assert refused(again) == ("REVERSAL_EXCEEDS_ORIGINAL", ("amount", "amount"))
    assert ledger.batch.posted[0].posting.amount_minor == 2_500
    assert len(ledger.batch.posted) == 1
