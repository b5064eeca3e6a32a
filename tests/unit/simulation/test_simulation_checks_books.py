"""Checks of the books, the log, the audit trail and the days fail what was doctored."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from simulation.checks import CHECKS
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.model.answers import Moved
from simulation.model.result import Verdict
from tests.unit.simulation.conftest import Play, short_plan
from tests.unit.simulation.doctored import facts_of, transfer, verdict, with_facts
from tests.unit.simulation.paper_bank import CASH, HideAnswer, PaperBank


def test_a_balance_other_than_what_requests_add_up_to_is_noticed(evidence: Evidence) -> None:
    facts = facts_of(evidence)
    for id_ in (CASH, next(id_ for id_ in facts.entries if id_ != CASH)):
        account = facts.accounts[id_]
        wrong = {**facts.accounts, id_: replace(account, balance_minor=account.balance_minor + 1)}
        assert verdict("balances_match_oracle", with_facts(evidence, accounts=wrong)) is Verdict.FAIL


async def test_an_unknown_outcome_is_resolved_by_the_books_whichever_way_it_went(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.run.drive.ATTEMPTS_MAX", 1)
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
        await asyncio.sleep(1)  # longer than the client waits
        raise ConnectionError

    _, evidence = await play(PaperBank(trouble=trouble), short_plan("hot_account"), timeout_s=0.3)
    assert hidden
    assert lost
    result = CHECKS["balances_match_oracle"].check(evidence)
    assert result.verdict is Verdict.PASS
    assert "were resolved by the books" in result.note
    assert verdict("exactly_once", evidence) is Verdict.PASS
    unresolved = CHECKS["balances_match_oracle"].check(replace(evidence, facts=None))
    assert unresolved.verdict is Verdict.UNKNOWN


def test_books_that_contradict_an_unknown_outcome_fail(evidence: Evidence) -> None:
    paid = transfer(evidence)
    assert isinstance(paid.answer, Moved)
    facts, id_ = facts_of(evidence), paid.answer.transaction_id
    same_key = evidence.by_key[(paid.operation.person, paid.operation.key or "")]
    forgotten = [
        replace(a, outcome="unknown", answer=None, code=None) if a in same_key else a for a in evidence.attempts
    ]
    doctored = with_facts(
        replace(evidence, attempts=forgotten),
        transactions={**facts.transactions, id_: replace(facts.transactions[id_], amount_minor=1)},
    )
    assert verdict("balances_match_oracle", replace(evidence, attempts=forgotten)) is Verdict.PASS
    assert verdict("balances_match_oracle", doctored) is Verdict.FAIL


@pytest.mark.parametrize(
    "doctor",
    [
        lambda facts: {"events": facts.events[:-1]},
        lambda facts: {"events": [*facts.events, replace(facts.events[-1], position=len(facts.events) + 1)]},
        lambda facts: {"events": swapped(facts)},
        lambda facts: {"head": facts.head + 1},
        lambda facts: {"positions": {"audit": facts.head, "cache": facts.head - 1}},
        lambda facts: {"dead_letters": ["cache at position 3: KeyError"]},
        lambda facts: {"users": facts.users[:-1]},
    ],
    ids=["lost", "doubled", "out of order", "head ahead", "not handled", "dead letter", "of nobody"],
)
def test_a_log_that_does_not_tell_what_happened_once_and_in_order_is_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("events_complete", with_facts(evidence, **doctor(facts_of(evidence)))) is Verdict.FAIL


def swapped(facts: DatabaseState) -> list[Any]:
    """Exchange what two neighbouring events tell, and keep the positions."""
    a, b = facts.events[-2], facts.events[-1]
    return [*facts.events[:-2], replace(b, position=a.position), replace(a, position=b.position)]


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
def test_an_audit_log_that_is_not_the_events_is_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("audit_complete", with_facts(evidence, audits=doctor(facts_of(evidence).audits))) is Verdict.FAIL


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
def test_days_that_are_not_the_entries_are_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("days_are_true", with_facts(evidence, days=doctor(facts_of(evidence).days))) is Verdict.FAIL
