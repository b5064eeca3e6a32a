"""The informational numbers of a report are calculated as their names say."""

from dataclasses import replace

import pytest

from simulation.model.attempts import Outcome
from simulation.model.operations import Arm
from simulation.model.result import OperationSample, Phase, RunResult
from simulation.report.facts import TIMELINE_POINTS, by_arm, by_operation, count_outcomes, information, timeline


def sample(
    start_s: float = 0.0,
    latency_ms: float = 10.0,
    *,
    operation: str = "Me",
    arm: Arm | None = None,
    phase: Phase = "drive",
    outcome: Outcome = "ok",
) -> OperationSample:
    return OperationSample(operation, arm, phase, start_s, latency_ms, latency_ms / 2, outcome)


def test_percentiles_are_of_the_latency_from_the_intended_start() -> None:
    (fact,) = by_operation([sample(latency_ms=ms) for ms in range(1, 101)])
    assert (fact.latency_ms.p50, fact.latency_ms.p95, fact.latency_ms.p99) == (50, 95, 99)
    assert fact.service_ms.p99 == 49.5


def test_the_most_requested_operation_comes_first_and_setup_is_not_counted() -> None:
    facts = by_operation([sample(operation="Rare"), *[sample()] * 3, *[sample(operation="Setup", phase="setup")] * 9])
    assert [(fact.operation, fact.count) for fact in facts] == [("Me", 3), ("Rare", 1)]


def test_the_latency_includes_every_outcome() -> None:
    (fact,) = by_operation([*[sample(latency_ms=1)] * 3, sample(latency_ms=5000, outcome="unknown")])
    assert fact.latency_ms.p99 == 5000
    assert fact.outcomes == {"ok": 3, "refused": 0, "unknown": 1, "error": 0}


def test_arms_are_shown_only_together() -> None:
    facts = by_arm([sample(arm="cached"), sample(arm="uncached"), sample(operation="Lonely", arm="cached"), sample()])
    assert [(fact.operation, fact.arm) for fact in facts] == [("Me", "cached"), ("Me", "uncached")]


def test_requests_count_at_their_answer_and_latencies_at_their_intended_start() -> None:
    first, second, third = timeline([sample(0.2, 1500)], 3.0)
    assert (first.completed["ok"], second.completed["ok"], third.completed["ok"]) == (0, 1, 0)
    assert first.latency_ms is not None
    assert first.latency_ms.p50 == 1500
    assert second.latency_ms is None


def test_windows_cover_the_drive_and_count_every_request_once() -> None:
    samples = [sample(second / 2, 100 * second) for second in range(60)]
    windows = timeline(samples, 29.5)
    assert (windows[0].from_s, windows[-1].to_s) == (0.0, 29.5)
    assert sum(sum(window.completed.values()) for window in windows) == len(samples)


def test_a_long_drive_is_reduced_to_the_resolution_of_a_plot() -> None:
    windows = timeline([sample(second) for second in range(3600)], 3600)
    assert len(windows) <= TIMELINE_POINTS
    assert sum(window.completed["ok"] for window in windows) == 3600


def test_a_run_without_requests_has_no_timeline() -> None:
    assert timeline([sample(phase="setup")], 30) == ()
    assert timeline([sample()], 0) == ()


def test_informational_numbers_count_only_the_drive(passed_run: RunResult) -> None:
    facts = {fact.name: fact.value for fact in information(passed_run)}
    outcomes = count_outcomes(s for s in passed_run.samples if s.phase == "drive")
    assert facts["requests"] == 3000
    assert facts["requests_per_second"] == pytest.approx(100)
    assert (facts["refused"], facts["unknown"]) == (outcomes["refused"], outcomes["unknown"])
    assert facts["events_from_log"] == 37
    assert (facts["cache_hit"], facts["cache_stale"], facts["cache_bypass"]) == (1611, 24, 1800)


def test_a_run_without_a_drive_has_no_rate(passed_run: RunResult) -> None:
    facts = {fact.name: fact.value for fact in information(replace(passed_run, duration_s=0.0, samples=()))}
    assert facts["requests_per_second"] is None
    assert facts["improvement_from_intended_start"] is None
