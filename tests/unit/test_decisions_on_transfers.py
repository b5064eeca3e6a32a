"""Decisions on deposits, withdrawals and transfers: each refusal with code and field, each limit from both sides."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from bank.accounts.limits import read_limit
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import BALANCE_MAX_MINOR
from bank.ledger.policy import CASH_ACCOUNTS, FEE_ACCOUNTS, NIL_UUID
from bank.ledger.terms import Terms
from bank.money import MAX_POSTING_MINOR
from bank.refusal import Refusal
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.transfer import submit_transfer
from bank.transfers.withdraw import SubmitWithdrawal, submit_withdrawal
from tests.unit.in_memory_ledger import (
    ANA,
    ANAS,
    BIA,
    BIAS,
    NOW,
    STAFF,
    TERMS,
    TODAY,
    WRONG_IN_ITSELF,
    YESTERDAY,
    InMemoryLedger,
    account,
    fields_of,
    receipt_of,
    refused,
    spent,
    transfer,
)

CASH, FEES = CASH_ACCOUNTS["BRL"], FEE_ACCOUNTS["BRL"]
NOBODYS = UUID(int=404)
WITH_FEES = msgspec.structs.replace(TERMS, transfer_fee_minor=150, withdrawal_fee_minor=250)


async def send(ledger: InMemoryLedger, terms: Terms = TERMS, **more: Any) -> Outcome:
    return await submit_transfer(ledger, terms, transfer(**more))  # type: ignore[arg-type]  # in memory


async def deposit(ledger: InMemoryLedger, terms: Terms = TERMS, **more: Any) -> Outcome:
    given = {"caller_id": STAFF, "key": "k", "to_number": "number-21", "to_id": BIAS, "amount": "10.00"}
    command = SubmitDeposit(**{**given, "currency": "BRL", **more})
    return await submit_deposit(ledger, terms, command)  # type: ignore[arg-type]  # in memory


async def withdraw(ledger: InMemoryLedger, terms: Terms = TERMS, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "owner_id": ANA, "key": "k", "from_number": "number-11", "from_id": ANAS}
    command = SubmitWithdrawal(**{**given, "amount": "10.00", "currency": "BRL", **more})
    return await submit_withdrawal(ledger, terms, command)  # type: ignore[arg-type]  # in memory


async def test_a_receipt_has_every_field_of_a_transfer() -> None:
    ledger = InMemoryLedger()
    outcome = await send(ledger, description="rent")
    [posted] = ledger.batch.posted
    assert fields_of(receipt_of(outcome)) == {
        "transaction_id": posted.transaction_id, "kind": "TRANSFER", "amount_minor": 1_000, "currency": "BRL",
        "debit_number": "number-11", "credit_number": "number-21", "description": "rent", "created_at": NOW,
        "debit_balance_after_minor": 99_000, "credit_balance_after_minor": 1_000, "fee_minor": 0, "related_id": None,
        "hold_id": None,
    }  # fmt: skip
    assert (posted.initiated_by, posted.related_id) == (ANA, None)
    for id_, balance_minor in ((ANAS, 99_000), (BIAS, 1_000)):
        one = ledger.accounts[id_]
        assert (one.balance_minor, one.version, one.revision) == (balance_minor, 6, 8)
    assert spent(ledger.accounts[ANAS]) == (1_000, TODAY)
    assert ledger.accounts[BIAS].spent_minor == 0
    assert await send(ledger, description="rent") == Outcome(outcome.result, replayed=True)
    assert {one.id for one in ledger.batch.accounts_to_cache} == {ANAS, BIAS}


@pytest.mark.parametrize(
    ("changed", "given", "code", "field"),
    [
        ({}, {"from_id": NOBODYS}, "ACCOUNT_NOT_FOUND", ("fromAccountId",)),
        ({}, {"from_id": BIAS, "to_id": ANAS}, "ACCOUNT_NOT_FOUND", ("fromAccountId",)),
        ({}, {"to_id": None}, "ACCOUNT_NOT_FOUND", ("toAccountNumber",)),
        ({}, {"to_id": NOBODYS}, "ACCOUNT_NOT_FOUND", ("toAccountNumber",)),
        ({}, {"to_id": ANAS}, "SAME_ACCOUNT", ("toAccountNumber",)),
        ({}, {"amount": "500.01"}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"transfer_limit_minor": 0}, {"amount": "0.01"}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"daily_limit_minor": 0}, {"amount": "0.01"}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"spent_minor": 79_001, "spent_on": TODAY}, {}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"status": "FROZEN"}, {}, "ACCOUNT_FROZEN", ("fromAccountId",)),
        ({"status": "CLOSED"}, {}, "ACCOUNT_CLOSED", ("fromAccountId",)),
        ({"currency": "USD"}, {}, "CURRENCY_MISMATCH", ("amount", "currency")),
        ({"balance_minor": 999}, {}, "INSUFFICIENT_FUNDS", ("amount",)),
        ({"held_minor": 99_001}, {}, "INSUFFICIENT_FUNDS", ("amount",)),
    ],
)
async def test_a_refusal_of_a_transfer_by_the_state_of_the_accounts_is_stored(
    changed: dict[str, Any], given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, **{"balance_minor": 100_000, **changed}))
    before = dict(ledger.accounts)
    outcome = await send(ledger, **given)
    assert refused(outcome) == (code, field)
    assert (ledger.accounts, ledger.batch.posted) == (before, [])
    assert await send(ledger, **given) == Outcome(outcome.result, replayed=True)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"status": "FROZEN"}, "ACCOUNT_FROZEN", ("toAccountNumber",)),
        ({"status": "CLOSED"}, "ACCOUNT_CLOSED", ("toAccountNumber",)),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", ("amount", "currency")),
        ({"balance_minor": BALANCE_MAX_MINOR - 999}, "INVALID_AMOUNT", ("amount",)),
    ],
)
async def test_a_transfer_to_an_account_that_cannot_receive_is_refused(
    changed: dict[str, Any], code: str, field: tuple[str]
) -> None:
    ledger = InMemoryLedger(account(BIAS, BIA, **{"balance_minor": 0, **changed}))
    assert refused(await send(ledger)) == (code, field)


@pytest.mark.parametrize(
    ("changed", "given"),
    [
        ({}, {"amount": "500.00"}),
        ({"transfer_limit_minor": 60_000}, {"amount": "600.00"}),
        ({"daily_limit_minor": 1_000, "spent_minor": 80_000, "spent_on": YESTERDAY}, {}),
        ({"spent_minor": 79_000, "spent_on": TODAY}, {}),
        ({"balance_minor": 1_000}, {}),
        ({"held_minor": 99_000}, {}),
        ({}, {"key": "k" * 255, "description": "x" * 140}),
        ({}, {"description": ""}),
    ],
)
async def test_a_transfer_may_reach_every_limit(changed: dict[str, Any], given: dict[str, Any]) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, **{"balance_minor": 100_000, **changed}))
    before = ledger.accounts[ANAS]
    amount_minor = receipt_of(await send(ledger, **given)).amount_minor
    after = ledger.accounts[ANAS]
    assert after.balance_minor == before.balance_minor - amount_minor
    assert spent(after) == (before.spent_minor_on(TODAY) + amount_minor, TODAY)


async def test_an_account_may_reach_the_largest_balance() -> None:
    ledger = InMemoryLedger(account(BIAS, BIA, BALANCE_MAX_MINOR - 1_000))
    assert receipt_of(await send(ledger)).credit_balance_after_minor == BALANCE_MAX_MINOR


async def test_the_spent_amount_keeps_the_later_day() -> None:
    tomorrow = TODAY + (TODAY - YESTERDAY)
    ledger = InMemoryLedger(account(ANAS, ANA, 100_000, spent_minor=5, spent_on=tomorrow))
    await send(ledger)
    assert ledger.accounts[ANAS].spent_on == tomorrow


@pytest.mark.parametrize("do", [send, deposit, withdraw])
@pytest.mark.parametrize(("given", "code", "field"), WRONG_IN_ITSELF)
async def test_an_invalid_request_is_recorded_and_leaves_the_key_unused(
    do: Any, given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = InMemoryLedger()
    assert refused(await do(ledger, **given)) == (code, field)
    assert ledger.known == {}
    [told] = ledger.other_events
    action, about = {send: ("transfer", ANAS), deposit: ("deposit", BIAS), withdraw: ("withdraw", ANAS)}[do]
    assert (told.action, told.code, told.entity_type, told.entity_id) == (action, code, "Account", about)
    assert told.initiated_by == (STAFF if do is deposit else ANA)
    assert not receipt_of(await do(ledger)).fee_minor


async def test_an_impossible_account_id_leaves_the_key_unused() -> None:
    ledger = InMemoryLedger()
    assert refused(await send(ledger, from_id=NIL_UUID)) == ("ACCOUNT_NOT_FOUND", ("fromAccountId",))
    assert ledger.known == {}
    assert ledger.other_events[0].entity_id is None


async def test_a_fee_is_a_separate_posting_that_names_its_cause() -> None:
    ledger = InMemoryLedger()
    receipt = receipt_of(await send(ledger, WITH_FEES))
    main, fee = ledger.batch.posted
    assert (receipt.fee_minor, receipt.debit_balance_after_minor, receipt.amount_minor) == (150, 98_850, 1_000)
    assert receipt.transaction_id == main.transaction_id != fee.transaction_id
    assert (fee.posting.kind, fee.related_id, fee.initiated_by) == ("FEE", main.transaction_id, ANA)
    assert (fee.posting.debit_id, fee.posting.credit_id, fee.posting.amount_minor) == (ANAS, FEES, 150)
    assert ledger.accounts[FEES].balance_minor == 150
    # The fee does not count against the limit.
    assert spent(ledger.accounts[ANAS]) == (1_000, TODAY)


@pytest.mark.parametrize(("do", "fee_minor"), [(send, 150), (withdraw, 250)])
async def test_an_operation_without_cover_for_its_fee_is_refused(do: Any, fee_minor: int) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, 1_000 + fee_minor - 1))
    before = dict(ledger.accounts)
    assert refused(await do(ledger, WITH_FEES)) == ("INSUFFICIENT_FUNDS", ("amount",))
    assert (ledger.accounts, ledger.batch.posted) == (before, [])
    ledger = InMemoryLedger(account(ANAS, ANA, 1_000 + fee_minor))
    assert receipt_of(await do(ledger, WITH_FEES)).debit_balance_after_minor == 0


async def test_a_deposit_debits_cash_and_counts_against_no_limit() -> None:
    ledger = InMemoryLedger()
    receipt = receipt_of(await deposit(ledger, description="cash"))
    assert (receipt.kind, receipt.description, receipt.amount_minor) == ("DEPOSIT", "cash", 1_000)
    assert (receipt.debit_number, receipt.credit_number) == (ledger.accounts[CASH].number, "number-21")
    assert (ledger.accounts[CASH].balance_minor, ledger.accounts[BIAS].balance_minor) == (-101_000, 1_000)
    assert ledger.accounts[BIAS].spent_minor == ledger.accounts[CASH].spent_minor == 0


async def test_a_posting_may_move_the_largest_amount() -> None:
    amount = f"{MAX_POSTING_MINOR // 100}.{MAX_POSTING_MINOR % 100:02}"
    terms = msgspec.structs.replace(TERMS, approval_above_minor=MAX_POSTING_MINOR)
    assert receipt_of(await deposit(InMemoryLedger(), terms, amount=amount)).amount_minor == MAX_POSTING_MINOR
    more = f"{(MAX_POSTING_MINOR + 1) // 100}.{(MAX_POSTING_MINOR + 1) % 100:02}"
    assert refused(await deposit(InMemoryLedger(), amount=more)) == ("INVALID_AMOUNT", ("amount", "amount"))


@pytest.mark.parametrize("given", [{"to_id": None}, {"to_id": NOBODYS}])
async def test_a_deposit_to_a_missing_account_is_refused(given: dict[str, Any]) -> None:
    assert refused(await deposit(InMemoryLedger(), **given)) == ("ACCOUNT_NOT_FOUND", ("accountNumber",))


async def test_a_deposit_to_a_frozen_account_is_refused() -> None:
    ledger = InMemoryLedger(account(BIAS, BIA, 0, status="FROZEN"))
    assert refused(await deposit(ledger)) == ("ACCOUNT_FROZEN", ("accountNumber",))


async def test_a_withdrawal_credits_cash_and_counts_against_the_limits() -> None:
    ledger = InMemoryLedger()
    receipt = receipt_of(await withdraw(ledger, WITH_FEES, description="cash"))
    main, fee = ledger.batch.posted
    assert (receipt.kind, receipt.description, receipt.fee_minor) == ("WITHDRAWAL", "cash", 250)
    assert (receipt.debit_number, receipt.credit_number) == ("number-11", ledger.accounts[CASH].number)
    assert (ledger.accounts[CASH].balance_minor, ledger.accounts[ANAS].balance_minor) == (-99_000, 98_750)
    assert spent(ledger.accounts[ANAS]) == (1_000, TODAY)
    assert fee.related_id == main.transaction_id


@pytest.mark.parametrize(
    ("changed", "given", "code", "field"),
    [
        ({}, {"from_id": None}, "ACCOUNT_NOT_FOUND", ("accountNumber",)),
        ({}, {"from_id": NOBODYS}, "ACCOUNT_NOT_FOUND", ("accountNumber",)),
        ({}, {"owner_id": BIA}, "ACCOUNT_NOT_FOUND", ("accountNumber",)),
        ({}, {"amount": "500.01"}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"spent_minor": 79_001, "spent_on": TODAY}, {}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"status": "FROZEN"}, {}, "ACCOUNT_FROZEN", ("accountNumber",)),
        ({"held_minor": 99_001}, {}, "INSUFFICIENT_FUNDS", ("amount",)),
    ],
)
async def test_a_withdrawal_is_refused_by_the_state_of_the_account(
    changed: dict[str, Any], given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, 100_000, **changed))
    assert refused(await withdraw(ledger, **given)) == (code, field)


async def test_staff_pays_out_from_any_account() -> None:
    assert receipt_of(await withdraw(InMemoryLedger(), caller_id=STAFF, owner_id=None)).amount_minor == 1_000


@pytest.mark.parametrize(
    ("amount", "limit"), [("0.00", 0), ("12.34", 1_234), ("-0.01", "INVALID_AMOUNT"), ("1.001", "INVALID_AMOUNT")]
)
def test_a_limit_is_an_amount_or_zero(amount: str, limit: int | str) -> None:
    read = read_limit({"amount": amount, "currency": "BRL"}, "perDay")
    if isinstance(read, Refusal):
        assert (read.code, read.field) == (limit, ("input", "perDay"))
    else:
        assert read == limit


def test_a_missing_limit_is_none_and_another_currency_is_refused() -> None:
    assert read_limit(None, "perDay") is None
    other = read_limit({"amount": "1.00", "currency": "XXX"}, "perTransfer")
    assert isinstance(other, Refusal)
    assert (other.code, other.field) == ("INVALID_AMOUNT", ("input", "perTransfer"))
