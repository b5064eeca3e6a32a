"""The verdict of a run, and its exit code."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from simulation.model.result import CheckResult, CoverageItem, CriterionResult, RunResult, Verdict


def check(verdict: Verdict = Verdict.PASS) -> CheckResult:
    return CheckResult("conservation", "Money is conserved", verdict, 10, int(verdict is Verdict.FAIL))


def criterion(verdict: Verdict = Verdict.PASS, *, required: bool = True) -> CriterionResult:
    return CriterionResult("x", "X", "1", "ms", "below 10 ms", 1.0, 300, verdict, "so", required=required)


RUN = RunResult(
    scenario="first_day",
    seed=7,
    plan_hash="ab12",
    backend="embedded",
    workers=2,
    people=10,
    duration_s=30,
    rate=40,
    started_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    finished_at=datetime(2026, 11, 22, 12, 1, tzinfo=UTC),
    replay_command="simulation run --seed 7",
    criteria=(criterion(),),
    checks=(check(),),
    coverage=(CoverageItem("refusal", "A refusal", 3),),
    samples=(),
)


def test_a_run_without_failures_passes_with_exit_code_0() -> None:
    assert (RUN.verdict, RUN.exit_code) == (Verdict.PASS, 0)


@pytest.mark.parametrize(
    "run",
    [replace(RUN, checks=(check(), check(Verdict.FAIL))), replace(RUN, criteria=(criterion(Verdict.FAIL),))],
    ids=["check", "criterion"],
)
def test_any_failure_fails_the_run_with_exit_code_1(run: RunResult) -> None:
    assert (run.verdict, run.exit_code) == (Verdict.FAIL, 1)


def test_a_failure_outweighs_an_unknown_result() -> None:
    assert replace(RUN, checks=(check(Verdict.UNKNOWN), check(Verdict.FAIL))).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, checks=(check(Verdict.UNKNOWN),)),
        replace(RUN, criteria=(criterion(Verdict.UNKNOWN),)),
        replace(RUN, coverage=(CoverageItem("replay", "A replay", 0),)),
        replace(RUN, checks=()),
    ],
    ids=["check", "criterion", "coverage_item never seen", "nothing checked"],
)
def test_an_unknown_result_makes_the_run_unknown_with_exit_code_3(run: RunResult) -> None:
    assert (run.verdict, run.exit_code) == (Verdict.UNKNOWN, 3)


def test_informational_coverage_may_be_missing() -> None:
    assert replace(RUN, coverage=(CoverageItem("failover", "A failover", 0, required=False),)).verdict is Verdict.PASS


@pytest.mark.parametrize("verdict", list(Verdict))
def test_an_informational_criterion_does_not_decide_the_verdict(verdict: Verdict) -> None:
    assert replace(RUN, criteria=(criterion(verdict, required=False),)).verdict is Verdict.PASS
