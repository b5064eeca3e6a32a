"""Checks of keys, acknowledged effects and holds fail changed evidence."""

from dataclasses import replace
from typing import Any

import pytest

from simulation.judge.database_state import KeyRow
from simulation.judge.evidence import Evidence
from simulation.model.answers import TransactionReceipt
from simulation.model.attempts import Attempt
from simulation.model.operations import Kind
from simulation.model.result import Verdict
from tests.unit.simulation.changed_evidence import database_of, first, transfer, verdict, with_attempt, with_database


def replay_of(evidence: Evidence) -> Attempt:
    return first(evidence, lambda a: isinstance(a.answer, TransactionReceipt) and a.replayed is True)


def test_a_repetition_with_another_answer_is_a_second_effect(evidence: Evidence) -> None:
    again = replay_of(evidence)
    assert isinstance(again.answer, TransactionReceipt)
    other = replace(again.answer, transaction_id="another")
    assert verdict("exactly_once", with_attempt(evidence, again, answer=other)) is Verdict.FAIL


def test_a_repetition_without_a_mark_is_detected(evidence: Evidence) -> None:
    assert verdict("exactly_once", with_attempt(evidence, replay_of(evidence), replayed=False)) is Verdict.FAIL


@pytest.mark.parametrize("code", ["INSUFFICIENT_FUNDS", None])
def test_a_key_used_for_another_content_must_be_refused_for_that_reason(evidence: Evidence, code: str | None) -> None:
    conflict = first(evidence, lambda a: a.code == "IDEMPOTENCY_KEY_REUSED")
    changes: dict[str, Any] = {"code": code}
    if code is None:
        changes |= {"outcome": "ok", "answer": transfer(evidence).answer}
    assert verdict("exactly_once", with_attempt(evidence, conflict, **changes)) is Verdict.FAIL


def test_a_repetition_refused_as_a_conflict_is_detected(evidence: Evidence) -> None:
    again = replay_of(evidence)
    changes = {"code": "IDEMPOTENCY_KEY_REUSED", "outcome": "refused", "answer": None, "replayed": False}
    assert verdict("exactly_once", with_attempt(evidence, again, **changes)) is Verdict.FAIL


def test_a_transaction_without_a_key_is_a_second_effect(evidence: Evidence) -> None:
    database = database_of(evidence)
    extra = replace(next(iter(database.transactions.values())), id="extra")
    doctored = with_database(evidence, transactions={**database.transactions, "extra": extra})
    assert verdict("exactly_once", doctored) is Verdict.FAIL
    assert verdict("balances_match_oracle", doctored) is Verdict.FAIL


def test_a_missing_acknowledged_transaction_is_a_lost_effect(evidence: Evidence) -> None:
    database, moved = database_of(evidence), transfer(evidence).answer
    assert isinstance(moved, TransactionReceipt)
    left = {id_: row for id_, row in database.transactions.items() if id_ != moved.transaction_id}
    assert verdict("acknowledged_is_durable", with_database(evidence, transactions=left)) is Verdict.FAIL


def test_an_acknowledged_transaction_with_one_entry_is_a_lost_effect(evidence: Evidence) -> None:
    database, moved = database_of(evidence), transfer(evidence).answer
    assert isinstance(moved, TransactionReceipt)
    credited = database.transactions[moved.transaction_id].credit_account_id
    rows = [row for row in database.entries[credited] if row.transaction_id != moved.transaction_id]
    doctored = with_database(evidence, entries={**database.entries, credited: rows})
    assert verdict("acknowledged_is_durable", doctored) is Verdict.FAIL


def test_a_missing_acknowledged_user_or_account_is_a_lost_effect(evidence: Evidence) -> None:
    database = database_of(evidence)
    assert verdict("acknowledged_is_durable", with_database(evidence, users=database.users[:-1])) is Verdict.FAIL
    accounts = dict(list(database.accounts.items())[:-1])
    assert verdict("acknowledged_is_durable", with_database(evidence, accounts=accounts)) is Verdict.FAIL


def late_hold(evidence: Evidence, expires_at: str | None, *, kept: bool = False) -> Evidence:
    """Add a hold that was refused with INVALID_INPUT, with a given expiry that may be past."""
    moved = transfer(evidence)
    operation = replace(moved.operation, kind=Kind.AUTHORIZE, key="a hold", follows=None)
    sent = replace(moved.sent, expires_at=expires_at)
    hold = replace(
        moved, operation=operation, sent=sent, outcome="refused", code="INVALID_INPUT", answer=None, replayed=False
    )
    row = KeyRow(evidence.user_ids[operation.person], "a hold", "authorizeHold", None)
    if kept:
        evidence = with_database(evidence, keys={**database_of(evidence).keys, (row.caller_id, row.key): row})
    return replace(evidence, attempts=sorted([*evidence.attempts, hold], key=lambda a: a.invoked_ns))


def test_a_hold_after_its_expiry_may_be_refused_without_a_stored_key(evidence: Evidence) -> None:
    late = late_hold(evidence, "1970-01-01T00:00:01+00:00")
    assert (verdict("exactly_once", late), verdict("refusals_are_right", late)) == (Verdict.PASS, Verdict.PASS)
    burned = late_hold(evidence, "1970-01-01T00:00:01+00:00", kept=True)
    assert verdict("exactly_once", burned) is Verdict.FAIL


def test_a_hold_before_its_expiry_may_not_be_refused_as_too_late(evidence: Evidence) -> None:
    assert verdict("refusals_are_right", late_hold(evidence, "2100-01-01T00:00:00+00:00")) is Verdict.FAIL


def test_a_hold_with_the_default_expiry_cannot_be_too_late(evidence: Evidence) -> None:
    never = late_hold(evidence, None)
    assert verdict("refusals_are_right", never) is Verdict.FAIL
