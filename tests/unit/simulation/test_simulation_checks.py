"""Each check passes correct evidence, fails changed evidence, and never passes what it could not examine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulation import checks
from simulation.checks import CHECKS, run_checks
from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.database_state import EntryRow, LedgerSnapshot
from simulation.judge.evidence import Evidence
from simulation.model.answers import Balance, Balances
from simulation.model.people import Role
from simulation.model.result import Verdict
from simulation.stack.bank_check import BankCheck
from tests.unit.simulation.changed_evidence import database_of, first, verdict, with_attempt, with_database
from tests.unit.simulation.conftest import Execute, short_plan
from tests.unit.simulation.in_memory_bank import CASH


@pytest.mark.parametrize("scenario", ["first_day", "double_click", "hot_account", "retries"])
async def test_a_correct_bank_passes_every_check(execute: Execute, scenario: str) -> None:
    _, evidence = await execute(plan=short_plan(scenario))
    wrong = [result for result in run_checks(evidence) if result.verdict is not Verdict.PASS]
    assert wrong == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_without_examined_items_does_not_pass(name: str) -> None:
    nothing = Evidence(plan=short_plan(), attempts=[], database=None)
    assert verdict(name, nothing) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "acknowledged_is_durable",
        "read_your_writes",
        "reads_match_entries",
        "snapshot_reads",
        "balances_match_oracle",
        "events_complete",
        "audit_complete",
        "days_match_entries",
        "no_deadlocks",
    ],
)
def test_a_check_of_the_database_is_unknown_without_it(name: str, evidence: Evidence) -> None:
    assert verdict(name, replace(evidence, database=None)) is Verdict.UNKNOWN


def test_a_finding_of_bank_check_is_a_violation(evidence: Evidence) -> None:
    finding = {"invariant": "no_overdraft", "sentence": "account 1: its balance should be 0 or more, and is -1."}
    said = BankCheck({"sound": False, "invariants": {"no_overdraft": False}, "findings": [finding]})
    result = CHECKS["bank_check_agrees"].check(replace(evidence, bank_check=said))
    assert result.verdict is Verdict.FAIL
    assert result.violations == ("no_overdraft: account 1: its balance should be 0 or more, and is -1.",)


def test_unsound_books_without_a_finding_fail_the_check(evidence: Evidence) -> None:
    said = BankCheck({"sound": False, "invariants": {"no_overdraft": False}, "findings": []})
    assert verdict("bank_check_agrees", replace(evidence, bank_check=said)) is Verdict.FAIL


def test_a_failed_bank_check_is_unknown_with_its_reason(evidence: Evidence) -> None:
    said = BankCheck(None, "bank: The books could not be read: it is raining.")
    result = CHECKS["bank_check_agrees"].check(replace(evidence, bank_check=said))
    assert result.verdict is Verdict.UNKNOWN
    assert "it is raining" in result.note


def test_a_wrong_sum_of_a_household_in_one_answer_breaks_conservation(evidence: Evidence) -> None:
    households = {person.index for person in evidence.plan.people_with(Role.HOUSEHOLD)}
    look = first(
        evidence,
        lambda a: isinstance(a.answer, Balances) and a.operation.person in households and a.operation.phase == "drive",
    )
    assert isinstance(look.answer, Balances)
    account, balance = next(iter(look.answer.balances.items()))
    wrong = replace(look.answer, balances={**look.answer.balances, account: balance + 1})
    result = CHECKS["conservation"].check(with_attempt(evidence, look, answer=wrong))
    assert result.verdict is Verdict.FAIL
    assert result.count == 1
    assert f"operation {look.operation.index} " in result.violations[0]


@pytest.mark.parametrize("changes", [{"balances_minor": {"BRL": 1}}, {"entries_minor": {"BRL": -1}}, {"strays": ["x"]}])
def test_a_ledger_with_a_sum_other_than_zero_breaks_conservation(evidence: Evidence, changes: dict[str, Any]) -> None:
    snapshot = replace(evidence.snapshots[0], **changes)
    assert verdict("conservation", replace(evidence, snapshots=[snapshot])) is Verdict.FAIL


def test_a_negative_balance_in_an_answer_is_an_overdraft(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, Balance) and a.answer.account_id is not None)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, -1))
    assert verdict("no_overdraft", doctored) is Verdict.FAIL


def test_a_negative_balance_is_an_overdraft_only_for_customers(evidence: Evidence) -> None:
    database = database_of(evidence)
    assert database.entries[CASH][0].balance_after_minor < 0
    assert verdict("no_overdraft", evidence) is Verdict.PASS
    account = next(id_ for id_ in database.entries if id_ != CASH)
    rows = [replace(database.entries[account][0], balance_after_minor=-1)]
    assert verdict("no_overdraft", with_database(evidence, entries={**database.entries, account: rows})) is Verdict.FAIL


def test_a_snapshot_with_an_overdrawn_account_is_an_overdraft(evidence: Evidence) -> None:
    snapshot = replace(evidence.snapshots[0], overdrawn=["account 1 holds -5"])
    assert verdict("no_overdraft", replace(evidence, snapshots=[snapshot])) is Verdict.FAIL


def test_an_answer_outside_of_the_contract_is_detected(evidence: Evidence) -> None:
    any_attempt = evidence.attempts[-1]
    doctored = with_attempt(evidence, any_attempt, outcome="error", code="INTERNAL", answer=None)
    assert verdict("answers_follow_contract", doctored) is Verdict.FAIL


def test_violations_are_reported_as_count_first_worst_and_last() -> None:
    builder = CheckResultBuilder("name", "title")
    builder.examine(4)
    for text, size in (("a", 1), ("b", 9), ("c", 2)):
        builder.add_violation(text, size)
    result = builder.result()
    assert (result.count, result.violations) == (3, ("first: a", "worst: b", "last: c"))


def test_a_single_violation_is_reported_once() -> None:
    builder = CheckResultBuilder("name", "title")
    builder.examine()
    builder.add_violation("a", 1)
    assert builder.result().violations == ("a",)


def test_the_timeline_consists_of_entries(evidence: Evidence) -> None:
    timelines = evidence.timelines
    assert timelines is not None
    rows: list[EntryRow] = list(database_of(evidence).entries[CASH])
    assert timelines.accounts[CASH].balances == [0, *(row.balance_after_minor for row in rows)]


def test_a_snapshot_counts_as_examined(evidence: Evidence) -> None:
    more = replace(evidence, snapshots=[*evidence.snapshots, LedgerSnapshot(1.0, 0, {"BRL": 0}, {"BRL": 0}, [], [])])
    assert CHECKS["conservation"].check(more).examined == CHECKS["conservation"].check(evidence).examined + 1


SHARED = {"__init__", "log_texts", "result_builder", "whole_rows"}
"""The files of `simulation/checks/` that several checks share."""


def test_every_check_has_a_file_of_its_name() -> None:
    files = {path.stem for path in Path(checks.__file__).parent.glob("*.py")}
    assert files - SHARED == set(CHECKS)
