"""Checks of the logs and of operations without an answer fail changed evidence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulation.checks import CHECKS
from simulation.judge.evidence import Evidence, Secret
from simulation.model.faults import FaultName
from simulation.model.result import Verdict
from simulation.plan.draw import draw_plan
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.changed_evidence import transfer, verdict, with_attempt, with_database


def test_a_deadlock_is_detected_by_the_count_and_by_the_log(evidence: Evidence) -> None:
    assert verdict("no_deadlocks", with_database(evidence, deadlocks=1)) is Verdict.FAIL
    assert verdict("no_deadlocks", replace(evidence, postgres_log="ERROR:  deadlock detected\n")) is Verdict.FAIL
    assert verdict("no_deadlocks", replace(evidence, postgres_log=None)) is Verdict.PASS


def test_a_secret_in_a_log_is_found_and_not_repeated(evidence: Evidence, tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text('{"event": "fine"}\n{"event": "hunter2-and-more"}\n')
    doctored = replace(evidence, logs=[log], secrets=[Secret("the password of person 1", "hunter2-and")])
    result = CHECKS["no_secrets_in_logs"].check(doctored)
    assert result.verdict is Verdict.FAIL
    assert result.violations == ("worker-1.log, line 2: holds the password of person 1",)


def test_a_log_that_cannot_be_read_does_not_pass(evidence: Evidence, tmp_path: Path) -> None:
    doctored = replace(evidence, logs=[*evidence.logs, tmp_path / "missing.log"])
    assert verdict("no_secrets_in_logs", doctored) is Verdict.UNKNOWN


ERROR = {
    "level": "error",
    "event": "decision_failed",
    "operation": "transfer",
    "exception": "Traceback\nKeyError: 'my bug'",
}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (json.dumps(ERROR), "error: decision_failed operation=transfer\nTraceback\nKeyError: 'my bug'"),
        ('{"level": "critical", "event": "gone"}', "critical: gone"),
        ('{"level": "error", "event": "dead_letter", "position": 7}', "error: dead_letter position=7"),
        ('{"level": "warning", "event": "odd", "exception": "Traceback"}', "warning: odd\nTraceback"),
        ("Exception ignored in: <function f>", "is not JSON: Exception ignored in: <function f>"),
        ("[1]", "is no JSON object: [1]"),
    ],
)
def test_an_error_a_traceback_or_an_unreadable_line_in_a_log_is_shown(
    evidence: Evidence, tmp_path: Path, line: str, said: str
) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text(f'{{"level": "info", "event": "request"}}\n{line}\n')
    result = CHECKS["no_errors_in_logs"].check(replace(evidence, logs=[log]))
    assert (result.verdict, result.count) == (Verdict.FAIL, 1)
    assert result.violations == (f"worker-0.log, line 2: {said}",)


def test_a_warning_with_a_traceback_is_permitted_during_a_fault(evidence: Evidence, tmp_path: Path) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text('{"level": "warning", "event": "odd", "exception": "Traceback"}\n')
    plan = draw_plan(
        seed=3, scenario=SCENARIOS["first_day"], customers=4, duration_s=20, rate=2, workers=1,
        faults=[FaultName.DATABASE_SLOW],
    )  # fmt: skip
    assert verdict("no_errors_in_logs", replace(evidence, logs=[log], plan=plan)) is Verdict.PASS


def test_a_failed_start_of_a_worker_is_permitted_during_a_fault(evidence: Evidence, tmp_path: Path) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text("bank: The database does not answer: it is starting up.\n")
    plan = draw_plan(
        seed=3, scenario=SCENARIOS["first_day"], customers=4, duration_s=20, rate=2, workers=1,
        faults=[FaultName.DATABASE_KILL],
    )  # fmt: skip
    assert verdict("no_errors_in_logs", replace(evidence, logs=[log], plan=plan)) is Verdict.PASS
    assert verdict("no_errors_in_logs", replace(evidence, logs=[log])) is Verdict.FAIL
    log.write_text("bank: serve failed\n")
    assert verdict("no_errors_in_logs", replace(evidence, logs=[log], plan=plan)) is Verdict.FAIL


def test_an_operation_may_stay_unknown_only_during_a_fault(
    evidence: Evidence,
) -> None:
    moved = transfer(evidence)
    unknown = with_attempt(evidence, moved, outcome="unknown", code="OUTCOME_UNKNOWN", answer=None)
    assert verdict("every_operation_is_answered", unknown) is Verdict.FAIL
    later = replace(moved, number=2)
    retried = replace(unknown, attempts=[*unknown.attempts, later])
    assert verdict("every_operation_is_answered", retried) is Verdict.PASS
