"""A batch of commands in memory: replays within it, broken decisions, and the rows to write."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from bank.errors import BankError
from bank.events.types.accounts import BalanceUpdatedEvent
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord
from bank.idempotency.outcomes import Outcome, Receipt, UnknownOutcomeVersion
from bank.ledger.batch import Batch
from bank.ledger.model import Authorize, Command, Hold, LedgerView, Posting
from bank.refusal import Refusal
from tests.unit.in_memory_ledger import ANA, ANAS, BIAS, NOW, TODAY, account

NEW_HOLD = Hold(
    id=UUID(int=71), account_id=ANAS, to_account_id=BIAS, amount_minor=300, currency="BRL", description=None,
    status="AUTHORIZED", captured_minor=0, transaction_id=None, initiated_by=ANA, expires_at=NOW, created_at=NOW,
)  # fmt: skip
REFUSAL = Refusal(code="LIMIT_EXCEEDED", message="At most 1.00.")


def posting(amount_minor: int = 100, **more: Any) -> Posting:
    given = {"kind": "TRANSFER", "debit_id": ANAS, "credit_id": BIAS, "currency": "BRL", **more}
    return Posting(amount_minor=amount_minor, **given)


def raising_decision(_view: LedgerView) -> Posting:
    raise ZeroDivisionError


def command(key: str | None, *decide: Callable[[LedgerView], Any], digest: bytes = b"1", **more: Any) -> Command:
    return Command(
        caller_id=ANA, key=key, operation="transfer", digest=digest, account_ids=(ANAS, BIAS), decide=decide, **more
    )


def paying_decision(_view: LedgerView) -> Posting:
    return posting()


@pytest.fixture
def batch() -> Batch:
    return Batch({ANAS: account(ANAS, ANA, 1_000), BIAS: account(BIAS, None, 0)}, {}, NOW)


def state_of(batch: Batch) -> Any:
    return batch.changed, batch.holds, list(batch.posted), list(batch.keys), list(batch.other_events)


BREAKING: dict[str, tuple[Any, ...]] = {
    "at once": (raising_decision,),
    "after a posting": (paying_decision, raising_decision),
    "in its second step, after a new hold": (lambda _view: (Authorize(NEW_HOLD), posting(0)),),
    "in its second step, after a posting": (lambda _view: (posting(), posting(0)),),
}


@pytest.mark.parametrize("decide", BREAKING.values(), ids=BREAKING)
def test_a_raising_decision_has_no_effect_on_the_batch(batch: Batch, decide: tuple[Any, ...]) -> None:
    assert isinstance(batch.decide(command("before", paying_decision)), Outcome)
    before = state_of(batch)
    broken = command("broken", *decide, is_bulk=len(decide) > 1, all_or_none=False)
    outcome = batch.decide(broken)
    assert isinstance(outcome, BankError)
    assert (outcome.code, outcome.message) == ("INTERNAL", "Internal error")
    [(of, error)] = batch.broken
    assert of is broken
    assert isinstance(error, ZeroDivisionError | AssertionError)
    assert state_of(batch) == before
    again = batch.decide(command("broken", paying_decision))
    assert isinstance(again, Outcome)
    assert isinstance(again.result, Receipt)
    assert (again.replayed, again.result.debit_balance_after_minor) == (False, 800)


def test_the_second_command_with_a_key_in_one_batch_is_a_replay_or_a_key_conflict(batch: Batch) -> None:
    first = batch.decide(command("k", paying_decision))
    before = state_of(batch)
    assert isinstance(first, Outcome)
    assert batch.decide(command("k", paying_decision)) == Outcome(first.result, replayed=True)
    assert state_of(batch) == before
    assert batch.decide(command("k", paying_decision, digest=b"2")) == Outcome(KEY_REUSED)
    assert len(batch.posted) == 1


def test_an_outcome_of_a_newer_worker_is_unknown_to_an_older_one(batch: Batch) -> None:
    known: Any = {(ANA, "k"): IdempotencyRecord("transfer", b"1", '{"version":4,"new":1}')}
    batch = Batch({ANAS: account(ANAS, ANA, 1_000)}, known, NOW)
    outcome = batch.decide(command("k", paying_decision))
    assert isinstance(outcome, UnknownOutcomeVersion)
    assert [error for _, error in batch.broken] == [outcome]
    assert not batch.writes


def test_a_refusal_without_a_key_is_written(batch: Batch) -> None:
    assert not batch.writes
    assert batch.decide(command(None, lambda _view: REFUSAL)) == Outcome(REFUSAL)
    assert (batch.writes, batch.keys, batch.changed) == (True, [], [])
    [(event, _)] = batch.other_events
    assert (event.user_id, event.aggregate_id) == (ANA, ANAS)


def test_a_batch_has_one_time_and_one_day() -> None:
    seen: list[LedgerView] = []

    def looks(view: LedgerView) -> Posting:
        seen.append(view)
        return posting()

    batch = Batch({ANAS: account(ANAS, ANA, 1_000), BIAS: account(BIAS, None, 0)}, {}, NOW)
    outcome = batch.decide(command("k", looks))
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.result, Receipt)
    assert (batch.now, outcome.result.created_at, seen[0].now, seen[0].today) == (NOW, NOW, NOW, TODAY)


def test_a_posting_emits_events_of_the_debited_and_then_of_the_credited_account(batch: Batch) -> None:
    batch.decide(command("k", paying_decision))
    [posted] = batch.posted
    told = [event for event in posted.events() if isinstance(event, BalanceUpdatedEvent)]
    assert [(one.account_id, one.change_minor, one.balance_minor) for one in told] == [
        (ANAS, -100, 900),
        (BIAS, 100, 100),
    ]
