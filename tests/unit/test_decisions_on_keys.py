"""A key belongs to one request of one caller: another request with it is refused, and has no effect."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from bank.holds.authorize import AuthorizeHold, authorize_hold
from bank.holds.capture import CaptureHold, capture_hold
from bank.holds.release import ReleaseHold, release_hold
from bank.idempotency.outcomes import Outcome
from bank.ledger.model import Hold, Original
from bank.refusal import Refusal
from bank.telemetry.context import RequestContext, enter_context
from bank.transfers import reverse
from bank.transfers.batch import SubmitTransferBatch, submit_transfer_batch
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.reverse import Reverse
from bank.transfers.transfer import submit_transfer
from bank.transfers.withdraw import SubmitWithdrawal, submit_withdrawal
from tests.unit.in_memory_ledger import ANA, ANAS, ANAS_OTHER, BIA, BIAS, NOW, TERMS, InMemoryLedger, account, transfer

Send = Callable[..., Awaitable[Outcome]]
ONE, OTHER = UUID(int=61), UUID(int=62)
SOON, LATER = NOW + timedelta(hours=1), NOW + timedelta(hours=2)


def _ledger() -> Any:
    rows = {"account_id": ANAS, "to_account_id": BIAS, "amount_minor": 3_000, "currency": "BRL", "description": None}
    more = {"status": "AUTHORIZED", "captured_minor": 0, "transaction_id": None, "initiated_by": ANA}
    holds = [Hold(id=id_, **rows, **more, expires_at=LATER, created_at=NOW) for id_ in (ONE, OTHER)]  # type: ignore[arg-type]
    originals = [Original(id_, "TRANSFER", ANAS, BIAS, 3_000, "BRL", 0) for id_ in (ONE, OTHER)]
    people = account(ANAS, ANA, 90_000, held_minor=6_000), account(BIAS, BIA, 50_000)
    return InMemoryLedger(*people, originals=originals, holds=holds)


def _code(outcome: Outcome) -> str | None:
    return outcome.result.code if isinstance(outcome.result, Refusal) else None


async def _transfer(ledger: Any, **more: Any) -> Outcome:
    return await submit_transfer(ledger, TERMS, transfer(**more))


async def _deposit(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "to_number": "number-21", "to_id": BIAS, "amount": "1.00", "currency": "BRL"}
    return await submit_deposit(ledger, TERMS, SubmitDeposit(**{**given, **more}))


async def _withdraw(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "owner_id": ANA, "from_number": "number-11", "from_id": ANAS, "currency": "BRL"}
    return await submit_withdrawal(ledger, TERMS, SubmitWithdrawal(**{**given, "amount": "1.00", **more}))


async def _list(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "all_or_none": True, "items": (transfer(amount="1.00"), transfer(amount="2.00"))}
    return await submit_transfer_batch(ledger, TERMS, SubmitTransferBatch(**{**given, **more}))


async def _authorize(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": ANA, "from_id": ANAS, "to_number": "number-21", "to_id": BIAS, "currency": "BRL"}
    return await authorize_hold(ledger, TERMS, AuthorizeHold(**{**given, "amount": "1.00", **more}))


async def _capture(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "hold_id": ONE, "amount": "30.00", "currency": "BRL"}
    return await capture_hold(ledger, None, CaptureHold(**{**given, **more}))  # type: ignore[arg-type]  # in memory


async def _release(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "hold_id": ONE}
    return await release_hold(ledger, None, ReleaseHold(**{**given, **more}))  # type: ignore[arg-type]  # in memory


async def _reverse(ledger: Any, **more: Any) -> Outcome:
    given = {"caller_id": BIA, "owner_id": BIA, "transaction_id": ONE, "amount": "30.00", "currency": "BRL"}
    return await reverse.reverse(ledger, None, TERMS, Reverse(**{**given, **more}))  # type: ignore[arg-type]  # in memory


_NUMBER = {"to_number": "number-12", "to_id": ANAS_OTHER}
_ALL = {"amount": None, "currency": None}
CHANGES: Mapping[Send, list[dict[str, Any]]] = {
    _transfer: [{"from_id": ANAS_OTHER}, _NUMBER, {"amount": "10.01"}, {"description": "a"}],
    _deposit: [_NUMBER, {"amount": "1.01"}, {"description": "a"}],
    _withdraw: [{"from_number": "number-12", "from_id": ANAS_OTHER}, {"amount": "1.01"}, {"description": "a"}],
    _list: [
        {"all_or_none": False},
        {"items": (transfer(amount="1.00"),)},
        {"items": (transfer(amount="2.00"), transfer(amount="1.00"))},
        {"items": (transfer(amount="1.00"), transfer(amount="2.00", from_id=ANAS_OTHER))},
        {"items": (transfer(amount="1.00"), transfer(amount="2.00", **_NUMBER))},
        {"items": (transfer(amount="1.00"), transfer(amount="2.00", description="a"))},
    ],
    _authorize: [
        {"from_id": ANAS_OTHER}, _NUMBER, {"amount": "1.01"}, {"description": "a"}, {"expires_at": SOON},
    ],
    _capture: [{"hold_id": OTHER}, {"amount": "29.99"}, _ALL],
    _release: [{"hold_id": OTHER}],
    _reverse: [{"transaction_id": OTHER}, {"amount": "29.99"}, _ALL, {"reason": "a"}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _sides(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sides(_database: Any, _id: UUID) -> tuple[UUID, ...]:
        return ANAS, BIAS

    for use_case in ("capture", "release"):
        monkeypatch.setattr(f"bank.holds.{use_case}.hold_accounts", sides)

    async def sides_and_customer(_database: Any, _id: UUID) -> tuple[tuple[UUID, ...], UUID]:
        return (ANAS, BIAS), BIA

    monkeypatch.setattr(reverse, "transaction_accounts", sides_and_customer)


@pytest.mark.parametrize(
    ("send", "change"), [(send, change) for send, changes in CHANGES.items() for change in changes]
)
async def test_a_key_with_another_content_is_refused(send: Send, change: dict[str, Any]) -> None:
    ledger = _ledger()
    first = await send(ledger, key="k")
    assert not isinstance(first.result, Refusal), first.result
    before = dict(ledger.accounts)
    other = await send(ledger, key="k", **change)
    assert (_code(other), other.replayed) == ("IDEMPOTENCY_KEY_REUSED", False)
    assert ledger.accounts == before
    assert [told.code for told in ledger.other_events] == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await send(ledger, key="k")) == Outcome(first.result, replayed=True)
    # A replay is no refusal, and writes no rows.
    assert (ledger.other_events, ledger.batch.writes) == ([], False)


async def test_a_requested_expiry_is_other_content_than_the_default_expiry() -> None:
    ledger = _ledger()
    await _authorize(ledger, key="k", expires_at=SOON)
    for change in ({}, {"expires_at": LATER}):
        assert _code(await _authorize(ledger, key="k", **change)) == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("first", CHANGES)
async def test_a_key_belongs_to_one_operation(first: Send) -> None:
    ledger = _ledger()
    await first(ledger, key="k", caller_id=ANA)
    for send in CHANGES:
        if send is not first:
            other = await send(ledger, key="k", caller_id=ANA)
            assert (_code(other), other.replayed) == ("IDEMPOTENCY_KEY_REUSED", False)


@pytest.mark.parametrize(
    ("send", "operation"),
    [
        (_transfer, "transfer"), (_deposit, "deposit"), (_withdraw, "withdraw"), (_list, "transferBatch"),
        (_authorize, "authorizeHold"), (_capture, "captureHold"), (_release, "releaseHold"),
        (_reverse, "reverseTransaction"),
    ],
)  # fmt: skip
async def test_a_command_has_its_operation_its_caller_and_its_context(send: Send, operation: str) -> None:
    context = RequestContext("c-1", ip_address="192.0.2.7", user_agent="a browser", actor_id=ANA)
    enter_context(context)
    ledger = _ledger()
    for key in ("k", ""):
        await send(ledger, key=key, caller_id=ANA)
        assert (ledger.command.operation, ledger.command.caller_id) == (operation, ANA)
        assert (ledger.command.context, ledger.command.key) == (context, key or None)


@pytest.mark.parametrize("send", [_transfer, _deposit, _withdraw, _capture, _reverse])
async def test_a_key_is_stored_with_its_transaction(send: Send) -> None:
    ledger = _ledger()
    await send(ledger, key="k", caller_id=ANA)
    [row] = ledger.batch.keys
    assert (row[:2], row[5]) == ((ANA, "k"), ledger.batch.posted[0].transaction_id)
    assert ledger.batch.posted[0].key_digest


@pytest.mark.parametrize("send", CHANGES)
@pytest.mark.parametrize("is_refused", [False, True])
async def test_the_first_event_of_an_outcome_carries_the_digest_of_its_row(send: Send, is_refused: bool) -> None:
    ledger = _ledger()
    if is_refused:
        ledger.accounts |= {id_: account(id_, None, 0, status="FROZEN") for id_ in (ANAS, BIAS)}
        ledger.holds, ledger.originals = {}, {}
    outcome = await send(ledger, key="k", caller_id=ANA)
    assert isinstance(outcome.result, Refusal) == is_refused
    [(caller_id, key, operation, digest, stored, transaction_id, salt)] = ledger.batch.keys
    ids = caller_id.bytes + (transaction_id.bytes if transaction_id else bytes(16))
    texts = b"\0".join([operation.encode(), key.encode(), stored.encode(), b""])
    row_digest = hashlib.sha256(salt + ids + texts + digest).hexdigest()
    posted = [one.first_metadata.key_digest for one in ledger.batch.posted]
    told = [metadata.key_digest for _, metadata in ledger.batch.other_events]
    # The capture of a hold also has a posting, whose event has the digest.
    assert [one for one in (*posted, *told) if one is not None] == [row_digest]
    assert (posted or told)[0] == row_digest


@pytest.mark.parametrize("spelling", ["10.0", "10"])
async def test_another_spelling_of_the_same_amount_is_the_same_request(spelling: str) -> None:
    ledger = _ledger()
    first = await _transfer(ledger, key="k")
    assert await _transfer(ledger, key="k", amount=spelling) == Outcome(first.result, replayed=True)


async def test_the_same_key_of_two_callers_is_independent() -> None:
    ledger = _ledger()
    await _transfer(ledger, key="k")
    assert not (await _transfer(ledger, key="k", caller_id=BIA, from_id=BIAS, to_id=ANAS)).replayed
