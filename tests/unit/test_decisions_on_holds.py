"""Decisions on holds: each refusal with its code and field, each limit from both sides, each field of the results."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from bank.events.types.holds import HoldAuthorizedEvent, HoldCapturedEvent, HoldExpiredEvent, HoldReleasedEvent
from bank.holds import expire
from bank.holds.authorize import AuthorizeHold, authorize_hold
from bank.holds.capture import CaptureHold, capture_hold
from bank.holds.release import ReleaseHold, release_hold
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import BALANCE_MAX_MINOR, Hold
from bank.ledger.policy import NIL_UUID
from tests.unit.in_memory_ledger import (
    ANA,
    ANAS,
    BIA,
    BIAS,
    NOW,
    STAFF,
    TERMS,
    TODAY,
    InMemoryLedger,
    account,
    fields_of,
    hold_of,
    receipt_of,
    refused,
    spent,
)

A_MOMENT = timedelta(microseconds=1)
HELD = Hold(
    id=UUID(int=31), account_id=ANAS, to_account_id=BIAS, amount_minor=3_000, currency="BRL", description="room",
    status="AUTHORIZED", captured_minor=0, transaction_id=None, initiated_by=ANA, expires_at=NOW + A_MOMENT,
    created_at=NOW - timedelta(days=1), salt=b"salt",
)  # fmt: skip


def ledger_with_hold(*changed: Any, **more: Any) -> InMemoryLedger:
    """Return a ledger on which 30.00 of Ana's are held for Bia."""
    anas = account(ANAS, ANA, 100_000, held_minor=3_000, spent_minor=3_000, spent_on=TODAY)
    return InMemoryLedger(anas, *changed, holds=[msgspec.structs.replace(HELD, **more)])


async def hold_money(ledger: InMemoryLedger, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "key": "k", "from_id": ANAS, "to_number": "number-21", "to_id": BIAS, "amount": "30.00"}
    return await authorize_hold(ledger, TERMS, AuthorizeHold(**{**given, "currency": "BRL", **more}))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _sides(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sides(_database: Any, hold_id: UUID) -> tuple[UUID, ...]:
        return (ANAS, BIAS) if hold_id == HELD.id else ()

    for use_case in ("capture", "release"):
        monkeypatch.setattr(f"bank.holds.{use_case}.hold_accounts", sides)


async def capture(ledger: InMemoryLedger, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "key": "k", "hold_id": HELD.id, "amount": None, "currency": None}
    return await capture_hold(ledger, None, CaptureHold(**{**given, **more}))  # type: ignore[arg-type]  # in memory


async def release(ledger: InMemoryLedger, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "key": "k", "hold_id": HELD.id}
    return await release_hold(ledger, None, ReleaseHold(**{**given, **more}))  # type: ignore[arg-type]  # in memory


async def test_a_hold_has_the_requested_values() -> None:
    ledger = InMemoryLedger()
    outcome = await hold_money(ledger, description="room")
    [made] = ledger.holds.values()
    assert fields_of(made, "id", "salt") == {
        "account_id": ANAS, "to_account_id": BIAS, "amount_minor": 3_000, "currency": "BRL", "description": "room",
        "status": "AUTHORIZED", "captured_minor": 0, "transaction_id": None, "initiated_by": ANA,
        "expires_at": NOW + TERMS.hold_life, "created_at": NOW, "ended_at": None,
    }  # fmt: skip
    assert made.salt
    assert fields_of(hold_of(outcome)) == {
        "id": made.id, "status": "AUTHORIZED", "amount_minor": 3_000, "captured_minor": 0, "currency": "BRL",
        "debit_number": "number-11", "credit_number": "number-21", "description": "room",
        "expires_at": made.expires_at, "created_at": NOW, "available_after_minor": 97_000, "receipt": None,
    }  # fmt: skip
    [told] = ledger.other_events
    assert isinstance(told, HoldAuthorizedEvent)
    assert (told.hold_id, told.account_id, told.to_account_id) == (made.id, ANAS, BIAS)
    assert (told.amount_minor, told.currency, told.expires_at) == (3_000, "BRL", made.expires_at)
    assert (told.initiated_by, bool(told.description_digest)) == (ANA, True)
    anas = ledger.accounts[ANAS]
    assert (anas.balance_minor, anas.held_minor, anas.version, anas.revision) == (100_000, 3_000, 5, 8)
    assert spent(anas) == (3_000, TODAY)
    assert ledger.batch.posted == []
    assert await hold_money(ledger, description="room") == Outcome(outcome.result, replayed=True)


@pytest.mark.parametrize(
    ("changed", "given", "code", "field"),
    [
        ({}, {"from_id": UUID(int=404)}, "ACCOUNT_NOT_FOUND", ("fromAccountId",)),
        ({}, {"from_id": BIAS, "to_id": ANAS}, "ACCOUNT_NOT_FOUND", ("fromAccountId",)),
        ({}, {"to_id": None}, "ACCOUNT_NOT_FOUND", ("toAccountNumber",)),
        ({}, {"to_id": UUID(int=404)}, "ACCOUNT_NOT_FOUND", ("toAccountNumber",)),
        ({}, {"to_id": ANAS}, "SAME_ACCOUNT", ("toAccountNumber",)),
        ({}, {"amount": "500.01"}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"spent_minor": 77_001, "spent_on": TODAY}, {}, "LIMIT_EXCEEDED", ("amount", "amount")),
        ({"status": "FROZEN"}, {}, "ACCOUNT_FROZEN", ("fromAccountId",)),
        ({"currency": "USD"}, {}, "CURRENCY_MISMATCH", ("amount", "currency")),
        ({"balance_minor": 2_999}, {}, "INSUFFICIENT_FUNDS", ("amount",)),
        ({"held_minor": 97_001}, {}, "INSUFFICIENT_FUNDS", ("amount",)),
    ],
)
async def test_a_hold_is_refused_by_the_state_of_the_accounts(
    changed: dict[str, Any], given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, **{"balance_minor": 100_000, **changed}))
    before = dict(ledger.accounts)
    outcome = await hold_money(ledger, **given)
    assert refused(outcome) == (code, field)
    assert (ledger.accounts, ledger.holds) == (before, {})
    assert await hold_money(ledger, **given) == Outcome(outcome.result, replayed=True)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"status": "CLOSED"}, "ACCOUNT_CLOSED", ("toAccountNumber",)),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", ("amount", "currency")),
    ],
)
async def test_a_hold_for_an_account_that_cannot_receive_is_refused(
    changed: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    assert refused(await hold_money(InMemoryLedger(account(BIAS, BIA, 0, **changed)))) == (code, field)


@pytest.mark.parametrize("changed", [{"balance_minor": 3_000}, {"held_minor": 97_000}, {"spent_minor": 77_000}])
async def test_a_hold_may_reach_the_available_balance(changed: dict[str, Any]) -> None:
    ledger = InMemoryLedger(account(ANAS, ANA, **{"balance_minor": 100_000, "spent_on": TODAY, **changed}))
    before = ledger.accounts[ANAS]
    hold_of(await hold_money(ledger))
    assert ledger.accounts[ANAS].available_minor == before.available_minor - 3_000
    assert spent(ledger.accounts[ANAS]) == (before.spent_minor + 3_000, TODAY)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"key": ""}, "INVALID_INPUT", ("idempotencyKey",)),
        ({"from_id": NIL_UUID}, "ACCOUNT_NOT_FOUND", ("fromAccountId",)),
        ({"description": "x" * 141}, "INVALID_INPUT", ("description",)),
        ({"amount": "0.00"}, "INVALID_AMOUNT", ("amount", "amount")),
        ({"expires_at": NOW}, "INVALID_INPUT", ("expiresAt",)),
        ({"expires_at": NOW + timedelta(days=30) + A_MOMENT}, "INVALID_INPUT", ("expiresAt",)),
    ],
)
async def test_an_invalid_hold_leaves_the_key_unused(given: dict[str, Any], code: str, field: tuple[str, ...]) -> None:
    ledger = InMemoryLedger()
    assert refused(await hold_money(ledger, **given)) == (code, field)
    assert (ledger.known, ledger.other_events[0].action, ledger.other_events[0].code) == ({}, "authorizeHold", code)
    assert ledger.other_events[0].entity_id == (None if given.get("from_id") == NIL_UUID else ANAS)


@pytest.mark.parametrize("life", [A_MOMENT, timedelta(days=30)])
async def test_a_hold_may_expire_within_a_second_or_a_month(life: timedelta) -> None:
    assert hold_of(await hold_money(InMemoryLedger(), expires_at=NOW + life)).expires_at == NOW + life


@pytest.mark.parametrize(("amount", "captured_minor"), [(None, 3_000), ("30.00", 3_000), ("12.50", 1_250)])
async def test_a_capture_moves_at_most_the_held_amount_and_releases_the_rest(
    amount: str | None, captured_minor: int
) -> None:
    ledger = ledger_with_hold()
    outcome = await capture(ledger, amount=amount, currency=amount and "BRL")
    [posted] = ledger.batch.posted
    ended = ledger.holds[HELD.id]
    changes = {"status": "CAPTURED", "captured_minor": captured_minor, "ended_at": NOW}
    assert ended == msgspec.structs.replace(HELD, **changes, transaction_id=posted.transaction_id)
    assert fields_of(receipt_of(outcome)) == {
        "transaction_id": posted.transaction_id, "kind": "CAPTURE", "amount_minor": captured_minor, "currency": "BRL",
        "debit_number": "number-11", "credit_number": "number-21", "description": "room", "created_at": NOW,
        "debit_balance_after_minor": 100_000 - captured_minor, "credit_balance_after_minor": captured_minor,
        "fee_minor": 0, "related_id": None, "hold_id": HELD.id,
    }  # fmt: skip
    shown = hold_of(outcome)
    assert (shown.id, shown.status, shown.captured_minor) == (HELD.id, "CAPTURED", captured_minor)
    assert (shown.amount_minor, shown.available_after_minor) == (3_000, 100_000 - captured_minor)
    [told] = ledger.other_events
    assert isinstance(told, HoldCapturedEvent)
    assert (told.captured_minor, told.released_minor) == (captured_minor, 3_000 - captured_minor)
    assert (told.hold_id, told.transaction_id, told.initiated_by) == (HELD.id, posted.transaction_id, BIA)
    anas = ledger.accounts[ANAS]
    assert (anas.held_minor, anas.version, anas.revision) == (0, 6, 9)
    # The amount counted when the hold was authorised.
    assert spent(anas) == (3_000, TODAY)
    assert await capture(ledger, amount=amount, currency=amount and "BRL") == Outcome(outcome.result, replayed=True)


async def test_a_release_moves_no_money_and_releases_the_whole_hold() -> None:
    ledger = ledger_with_hold()
    outcome = await release(ledger)
    assert ledger.holds[HELD.id] == msgspec.structs.replace(HELD, status="RELEASED", ended_at=NOW)
    anas = ledger.accounts[ANAS]
    assert (anas.balance_minor, anas.held_minor, anas.version, anas.revision) == (100_000, 0, 5, 8)
    assert (hold_of(outcome).status, hold_of(outcome).receipt, ledger.batch.posted) == ("RELEASED", None, [])
    [told] = ledger.other_events
    assert isinstance(told, HoldReleasedEvent)
    assert (told.hold_id, told.account_id, told.amount_minor, told.initiated_by) == (HELD.id, ANAS, 3_000, BIA)


@pytest.mark.parametrize("end", [capture, release])
@pytest.mark.parametrize(
    ("changed", "given", "code", "words"),
    [
        ({}, {"hold_id": UUID(int=404)}, "HOLD_NOT_FOUND", "no hold with this id"),
        ({}, {"owner_id": ANA, "caller_id": ANA}, "HOLD_NOT_FOUND", "no hold with this id"),
        ({"status": "RELEASED"}, {"owner_id": ANA}, "HOLD_NOT_FOUND", "no hold with this id"),
        ({"expires_at": NOW}, {}, "HOLD_ENDED", "has expired"),
        ({"status": "EXPIRED"}, {}, "HOLD_ENDED", "has been expired"),
        ({"status": "CAPTURED", "expires_at": NOW}, {}, "HOLD_ENDED", "has been captured"),
        ({"status": "RELEASED", "expires_at": NOW}, {}, "HOLD_ENDED", "has been released"),
    ],
)
async def test_a_second_or_forbidden_end_of_a_hold_is_refused(
    end: Any, changed: dict[str, Any], given: dict[str, Any], code: str, words: str
) -> None:
    ledger = ledger_with_hold(**changed)
    before = dict(ledger.accounts), dict(ledger.holds)
    outcome = await end(ledger, **given)
    assert refused(outcome) == (code, ("holdId",))
    assert words in outcome.result.message
    assert (ledger.accounts, ledger.holds) == before
    assert (await end(ledger, **given)).replayed


@pytest.mark.parametrize("end", [capture, release])
async def test_staff_may_end_any_hold(end: Any) -> None:
    assert hold_of(await end(ledger_with_hold(), caller_id=STAFF, owner_id=None)).id == HELD.id


@pytest.mark.parametrize("end", [capture, release])
@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"key": ""}, "INVALID_INPUT", ("idempotencyKey",)),
        ({"hold_id": NIL_UUID}, "HOLD_NOT_FOUND", ("holdId",)),
    ],
)
async def test_an_invalid_end_of_a_hold_leaves_the_key_unused(
    end: Any, given: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    ledger = ledger_with_hold()
    assert refused(await end(ledger, **given)) == (code, field)
    action = "captureHold" if end is capture else "releaseHold"
    assert (ledger.known, ledger.other_events[0].action, ledger.other_events[0].initiated_by) == ({}, action, BIA)


@pytest.mark.parametrize(
    ("amount", "currency", "code", "field"),
    [
        ("30.01", "BRL", "CAPTURE_EXCEEDS_HOLD", ("amount", "amount")),
        ("0.00", "BRL", "INVALID_AMOUNT", ("amount", "amount")),
        ("1.00", "XXX", "CURRENCY_MISMATCH", ("amount", "currency")),
        ("1.00", None, "CURRENCY_MISMATCH", ("amount", "currency")),
    ],
)
async def test_a_capture_is_refused_for_its_amount(
    amount: str, currency: str | None, code: str, field: tuple[str, ...]
) -> None:
    assert refused(await capture(ledger_with_hold(), amount=amount, currency=currency)) == (code, field)


async def test_a_capture_has_the_currency_of_the_hold() -> None:
    ledger = ledger_with_hold(currency="USD")
    assert refused(await capture(ledger, amount="1.00", currency="BRL")) == (
        "CURRENCY_MISMATCH", ("amount", "currency")
    )  # fmt: skip
    # Without an amount, the refusal can only name the hold.
    assert refused(await capture(ledger, key="k2")) == ("CURRENCY_MISMATCH", ("holdId",))


@pytest.mark.parametrize(("amount", "field"), [(None, "holdId"), ("1.00", "amount")])
async def test_a_capture_that_cannot_be_posted_does_not_end_the_hold(amount: str | None, field: str) -> None:
    full = account(BIAS, BIA, BALANCE_MAX_MINOR)
    for changed, code, at in (
        (full, "INVALID_AMOUNT", field),
        (account(BIAS, BIA, 0, status="FROZEN"), "ACCOUNT_FROZEN", "holdId"),
        (account(ANAS, ANA, 100_000, held_minor=3_000, status="FROZEN"), "ACCOUNT_FROZEN", "holdId"),
    ):
        ledger = ledger_with_hold(changed)
        assert refused(await capture(ledger, amount=amount, currency=amount and "BRL")) == (code, (at,))
        assert (ledger.holds[HELD.id], ledger.accounts[ANAS].held_minor) == (HELD, 3_000)
        assert [told.code for told in ledger.other_events] == [code]


async def test_an_expired_hold_is_released_once_without_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async def expired(_database: Any, *, now: Any, max_rows: int) -> list[Any]:
        assert (now, max_rows > 0) == (NOW, True)
        return [{"id": HELD.id, "account_id": ANAS, "to_account_id": BIAS}]

    class Clock:
        def now(self) -> Any:
            return NOW

    monkeypatch.setattr(expire, "expired_holds", expired)
    ledger = ledger_with_hold(expires_at=NOW)
    assert await expire.expire_once(ledger, None, Clock()) == 1  # type: ignore[arg-type]  # in memory
    [told] = ledger.other_events
    assert isinstance(told, HoldExpiredEvent)
    assert (told.hold_id, told.account_id, told.amount_minor, told.currency) == (HELD.id, ANAS, 3_000, "BRL")
    assert (ledger.holds[HELD.id].status, ledger.holds[HELD.id].ended_at) == ("EXPIRED", NOW)
    assert (ledger.accounts[ANAS].held_minor, ledger.batch.posted) == (0, [])
    # Another process was first. No caller made this command, so no refusal is recorded.
    assert await expire.expire_once(ledger, None, Clock()) == 1  # type: ignore[arg-type]  # in memory
    assert (ledger.other_events, ledger.known, ledger.accounts[ANAS].held_minor) == ([], {}, 0)


async def test_a_release_after_a_refused_capture_in_one_batch_releases_the_whole_hold() -> None:
    ledger = ledger_with_hold(account(BIAS, BIA, 0, status="FROZEN"))
    releasing = ledger_with_hold()
    await release(releasing, key="r")
    assert refused(await capture(ledger)) == ("ACCOUNT_FROZEN", ("holdId",))
    outcome = ledger.batch.decide(releasing.command)
    assert isinstance(outcome, Outcome)
    assert hold_of(outcome).status == "RELEASED"
    [ended] = ledger.batch.holds
    assert (ended.status, ended.transaction_id, ended.captured_minor) == ("RELEASED", None, 0)
    assert ledger.batch.posted == []
