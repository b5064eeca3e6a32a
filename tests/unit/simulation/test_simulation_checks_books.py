"""Checks of the books, the log, the audit trail and the days fail changed evidence."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from simulation.checks import CHECKS
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.model.answers import TransactionReceipt
from simulation.model.result import Verdict
from tests.unit.simulation.changed_evidence import database_of, transfer, verdict, with_database
from tests.unit.simulation.conftest import Execute, short_plan
from tests.unit.simulation.in_memory_bank import CASH, HideAnswer, InMemoryBank


def test_a_balance_other_than_the_sum_of_the_requests_is_detected(evidence: Evidence) -> None:
    database = database_of(evidence)
    for id_ in (CASH, next(id_ for id_ in database.entries if id_ != CASH)):
        account = database.accounts[id_]
        wrong = {**database.accounts, id_: replace(account, balance_minor=account.balance_minor + 1)}
        assert verdict("balances_match_oracle", with_database(evidence, accounts=wrong)) is Verdict.FAIL


async def test_an_unknown_outcome_is_resolved_by_the_books(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulation.run.execute.ATTEMPTS_MAX", 1)
    hidden: list[str] = []
    lost: list[str] = []

    async def trouble(name: str, variables: dict[str, Any], before: int) -> Any:
        key = variables.get("input", {}).get("idempotencyKey")
        if name != "Transfer" or before % 3:
            return None
        if before % 2:
            hidden.append(key)
            raise HideAnswer
        lost.append(key)
        await asyncio.sleep(1)  # longer than the time-out of the client
        raise ConnectionError

    _, evidence = await execute(InMemoryBank(trouble=trouble), short_plan("hot_account"), timeout_s=0.3)
    assert hidden
    assert lost
    result = CHECKS["balances_match_oracle"].check(evidence)
    assert result.verdict is Verdict.PASS
    assert "were resolved by the books" in result.note
    assert verdict("exactly_once", evidence) is Verdict.PASS
    unresolved = CHECKS["balances_match_oracle"].check(replace(evidence, database=None))
    assert unresolved.verdict is Verdict.UNKNOWN


def test_books_that_contradict_an_unknown_outcome_fail(evidence: Evidence) -> None:
    paid = transfer(evidence)
    assert isinstance(paid.answer, TransactionReceipt)
    database, id_ = database_of(evidence), paid.answer.transaction_id
    same_key = evidence.by_key[(paid.operation.person, paid.operation.key or "")]
    forgotten = [
        replace(a, outcome="unknown", answer=None, code=None) if a in same_key else a for a in evidence.attempts
    ]
    doctored = with_database(
        replace(evidence, attempts=forgotten),
        transactions={**database.transactions, id_: replace(database.transactions[id_], amount_minor=1)},
    )
    assert verdict("balances_match_oracle", replace(evidence, attempts=forgotten)) is Verdict.PASS
    assert verdict("balances_match_oracle", doctored) is Verdict.FAIL


@pytest.mark.parametrize(
    "doctor",
    [
        lambda database: {"events": database.events[:-1]},
        lambda database: {
            "events": [*database.events, replace(database.events[-1], position=len(database.events) + 1)]
        },
        lambda database: {"events": swapped(database)},
        lambda database: {"head": database.head + 1},
        lambda database: {"positions": {"audit": database.head, "cache": database.head - 1}},
        lambda database: {"dead_letters": ["cache at position 3: KeyError"]},
        lambda database: {"users": database.users[:-1]},
    ],
    ids=["lost", "doubled", "out of order", "head ahead", "not handled", "dead letter", "of nobody"],
)
def test_a_log_with_missing_repeated_or_unordered_events_is_detected(evidence: Evidence, doctor: Any) -> None:
    assert verdict("events_complete", with_database(evidence, **doctor(database_of(evidence)))) is Verdict.FAIL


def swapped(database: DatabaseState) -> list[Any]:
    """Exchange the content of two adjacent events, and keep their positions."""
    a, b = database.events[-2], database.events[-1]
    return [*database.events[:-2], replace(b, position=a.position), replace(a, position=b.position)]


@pytest.mark.parametrize(
    "doctor",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows[:-1], replace(rows[-1], entity_id="another")],
        lambda rows: [*rows[:-1], replace(rows[-1], id=rows[0].id)],
        lambda rows: [*rows, replace(rows[-1], event_position=10**6, id="z")],
        lambda rows: [rows[0], replace(rows[1], text="changed"), *rows[2:]],
        lambda rows: [rows[0], replace(rows[1], hash=rows[2].hash), *rows[2:]],
        lambda rows: [replace(rows[0], number=2), replace(rows[1], number=1), *rows[2:]],
        lambda rows: [*rows[:-1], replace(rows[-1], number=10**6)],
    ],
    ids=[
        "lost",
        "doubled",
        "about something else",
        "written out of order",
        "of no event",
        "edited",
        "hashed by hand",
        "reordered",
        "renumbered",
    ],
)
def test_an_audit_log_that_differs_from_the_events_is_detected(evidence: Evidence, doctor: Any) -> None:
    assert (
        verdict("audit_complete", with_database(evidence, audits=doctor(database_of(evidence).audits))) is Verdict.FAIL
    )


@pytest.mark.parametrize(
    "doctor",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows[:-1], replace(rows[-1], debits=rows[-1].debits + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], debited_minor=rows[-1].debited_minor + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], credits=rows[-1].credits + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], credited_minor=rows[-1].credited_minor - 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], closing_balance_minor=0)],
        lambda rows: [*rows[:-1], replace(rows[-1], day="2026-01-02")],
        lambda rows: [*rows, replace(rows[-1], account_id="another")],
    ],
    ids=["lost", "twice", "debits", "debited", "credits", "credited", "closing balance", "day", "of nobody"],
)
def test_days_that_differ_from_the_entries_are_detected(evidence: Evidence, doctor: Any) -> None:
    assert (
        verdict("days_match_entries", with_database(evidence, days=doctor(database_of(evidence).days))) is Verdict.FAIL
    )
