"""The success criteria are read from the contract, measured as defined, and judged strictly."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from simulation.criteria.evaluate import CriteriaError, evaluate, judge, load_criteria
from simulation.criteria.measures import Evidence, Measurement, response_time_improvement
from simulation.metrics.seconds import MeasuredSecond
from simulation.model.attempts import Outcome
from simulation.model.machine import Second
from simulation.model.metrics import (
    CACHE_REQUESTS,
    DATABASE_TIME,
    EVENT_LATENCY,
    Histogram,
    MetricsTotals,
    SeriesKey,
    merge,
)
from simulation.model.operations import Arm
from simulation.model.result import CriterionResult, OperationSample, Phase, Verdict

EDGES = (0.001, 0.005, 0.01, 0.05, 0.1)


def sample(
    service_ms: float,
    arm: Arm | None,
    operation: str = "Me",
    *,
    waited_ms: float = 0.0,
    phase: Phase = "drive",
    outcome: Outcome = "ok",
) -> OperationSample:
    return OperationSample(operation, arm, phase, 1.0, service_ms + waited_ms, service_ms, outcome)


def arms(cached_ms: float, uncached_ms: float, each: int = 300, operation: str = "Me") -> list[OperationSample]:
    random = Random(1)
    spread = [random.lognormvariate(0, 0.3) for _ in range(each)]
    return [sample(cached_ms * x, "cached", operation) for x in spread] + [
        sample(uncached_ms * x, "uncached", operation) for x in spread
    ]


def histogram(*seconds: float, edges: tuple[float, ...] = EDGES) -> Histogram:
    cumulative = tuple((edge, float(sum(s <= edge for s in seconds))) for edge in (*edges, math.inf))
    return Histogram(cumulative, len(seconds), sum(seconds))


def totals(
    *,
    hits: float = 900,
    misses: float = 100,
    events: Histogram | None = None,
    database: dict[str, Histogram] | None = None,
) -> MetricsTotals:
    counters: dict[SeriesKey, float] = {
        (CACHE_REQUESTS, (("result", "hit"),)): hits,
        (CACHE_REQUESTS, (("result", "miss"),)): misses,
    }
    key: SeriesKey = (EVENT_LATENCY, (("path", "memory"), ("subscriber", "audit")))
    histograms = {key: events or histogram(*[0.0005] * 1000)}
    for cache, observed in (database or {"hit": histogram(*[0.0001] * 900)}).items():
        histograms[(DATABASE_TIME, (("cache", cache), ("operation", "Me")))] = observed
    return MetricsTotals(counters, histograms)


def judged(
    samples: list[OperationSample] | None = None,
    measured: MetricsTotals | None = None,
    required: Collection[str] | None = None,
    *,
    workers: int = 1,
    seconds: Sequence[MeasuredSecond] = (),
) -> dict[str, CriterionResult]:
    results = evaluate(
        load_criteria(),
        arms(2, 10) if samples is None else samples,
        measured or totals(),
        seed=7,
        required=required,
        workers=workers,
        seconds=seconds,
    )
    return {result.id: result for result in results}


def test_the_contract_has_the_required_criteria_and_bounds() -> None:
    targets = {criterion.id: criterion.target for criterion in load_criteria()}
    assert targets == {
        "cached_reads_are_faster": "at least 50 %",
        "database_time_of_cached_operations": "below 50 ms",
        "event_latency": "below 10 ms",
        "event_latency_between_workers": "below 100 ms",
        "cache_hit_ratio": "at least 80 %",
    }


def test_a_good_run_passes_every_criterion() -> None:
    assert {result.verdict for result in judged().values()} == {Verdict.PASS}


def test_event_latency_between_workers_is_a_criterion_of_several_workers() -> None:
    assert judged(workers=2).keys() - judged().keys() == {"event_latency_between_workers"}


def test_every_criterion_is_unknown_without_evidence() -> None:
    results = evaluate(load_criteria(), [], MetricsTotals(), seed=7)
    assert {result.verdict for result in results} == {Verdict.UNKNOWN}
    assert {result.measured for result in results} == {None}


def test_the_improvement_is_the_ratio_of_the_medians() -> None:
    result = judged(arms(4, 10))["cached_reads_are_faster"]
    assert result.measured == pytest.approx(60.0)
    assert result.samples == 300


@pytest.mark.parametrize(
    ("uncached_ms", "verdict"),
    [(24, Verdict.PASS), (20.2, Verdict.UNKNOWN), (19.8, Verdict.UNKNOWN), (16, Verdict.FAIL)],
)
def test_the_improvement_passes_if_its_interval_is_above_the_bound(uncached_ms: float, verdict: Verdict) -> None:
    assert judged(arms(10, uncached_ms))["cached_reads_are_faster"].verdict is verdict


def test_the_interval_contains_the_estimate_and_is_repeatable() -> None:
    evidence = Evidence(arms(4, 10), totals(), seed=3)
    first, again = response_time_improvement(evidence), response_time_improvement(evidence)
    assert first.interval is not None
    assert first.value is not None
    assert first.interval[0] < first.value < first.interval[1]
    assert first.interval == again.interval


def test_the_bootstrap_interval_is_as_wide_as_an_interval_by_resampling() -> None:
    random = Random(5)
    cached = sorted(random.lognormvariate(1, 0.5) for _ in range(200))
    uncached = sorted(random.lognormvariate(2, 0.5) for _ in range(200))
    samples = [sample(x, "cached") for x in cached] + [sample(x, "uncached") for x in uncached]
    interval = response_time_improvement(Evidence(samples, totals(), seed=3)).interval
    plain = sorted(
        100 * (1 - sorted(random.choices(cached, k=200))[100] / sorted(random.choices(uncached, k=200))[100])
        for _ in range(2000)
    )
    assert interval is not None
    assert interval == pytest.approx((plain[50], plain[1950]), abs=1.5)


def test_operations_are_weighted_by_their_number_of_requests() -> None:
    samples = arms(1, 10, each=300, operation="Me") + arms(10, 10, each=100, operation="AccountHistory")
    assert judged(samples)["cached_reads_are_faster"].measured == pytest.approx(67.5)


def test_an_operation_with_few_requests_in_one_arm_is_excluded_and_named() -> None:
    result = judged([*arms(4, 10), *[sample(0.001, "cached", "Rare")] * 50, sample(99, "uncached", "Rare")])
    assert result["cached_reads_are_faster"].measured == pytest.approx(60.0)
    assert "Rare" in result["cached_reads_are_faster"].note


def test_queueing_time_does_not_change_the_comparison_of_the_arms() -> None:
    samples = [sample(4, "cached", waited_ms=100)] * 300 + [sample(10, "uncached", waited_ms=100)] * 300
    assert judged(samples)["cached_reads_are_faster"].measured == pytest.approx(60.0)


def test_only_answered_reads_of_the_drive_are_compared() -> None:
    errors = [sample(0.01, "cached", outcome="error")] * 400
    setup = [sample(0.01, "cached", phase="setup")] * 400
    assert judged([*arms(4, 10), *errors, *setup])["cached_reads_are_faster"].measured == pytest.approx(60.0)


def test_too_few_requests_in_the_smaller_arm_are_unknown() -> None:
    result = judged([*[sample(1, "cached")] * 5000, *[sample(10, "uncached")] * 199])["cached_reads_are_faster"]
    assert (result.verdict, result.samples) == (Verdict.UNKNOWN, 199)
    assert "200 are needed" in result.note


def test_database_times_of_cached_operations_include_misses_and_no_bypasses() -> None:
    slow_misses = {"hit": histogram(*[0.0] * 900), "miss": histogram(*[0.09] * 100)}
    assert judged(measured=totals(database=slow_misses))["database_time_of_cached_operations"].verdict is Verdict.FAIL
    slow_bypasses = {"hit": histogram(*[0.0] * 900), "bypass": histogram(*[0.09] * 900)}
    result = judged(measured=totals(database=slow_bypasses))["database_time_of_cached_operations"]
    assert (result.verdict, result.samples) == (Verdict.PASS, 900)


def test_slow_events_fail_and_the_bucket_is_shown() -> None:
    result = judged(measured=totals(events=histogram(*[0.001] * 980, *[0.02] * 20)))["event_latency"]
    assert result.verdict is Verdict.FAIL
    assert result.interval == pytest.approx((10.0, 50.0))


def late_from_the_log(count: int) -> MetricsTotals:
    key: SeriesKey = (EVENT_LATENCY, (("path", "log"), ("subscriber", "audit")))
    return MetricsTotals({}, {key: histogram(*[9.0] * count)})


def test_late_events_from_the_log_of_the_only_worker_count() -> None:
    result = judged(measured=totals().plus(late_from_the_log(50)))["event_latency"]
    assert (result.verdict, result.samples) == (Verdict.FAIL, 1050)


def test_events_of_another_worker_have_a_bound_of_their_own() -> None:
    results = judged(measured=totals().plus(late_from_the_log(500)), workers=2)
    assert (results["event_latency"].verdict, results["event_latency"].samples) == (Verdict.PASS, 1000)
    between = results["event_latency_between_workers"]
    assert (between.verdict, between.samples) == (Verdict.FAIL, 500)


def test_a_histogram_without_an_edge_at_the_bound_cannot_pass() -> None:
    coarse = histogram(*[0.006] * 1000, edges=(0.005, 0.05))
    result = judged(measured=totals(events=coarse))["event_latency"]
    assert result.verdict is Verdict.UNKNOWN
    assert "5 to 50 ms" in result.note


def test_a_percentile_beyond_the_last_edge_fails_with_the_last_edge() -> None:
    result = judged(measured=totals(events=histogram(*[3.0] * 1000)))["event_latency"]
    assert result.verdict is Verdict.FAIL
    assert result.measured == pytest.approx(100.0)
    assert "at least" in result.note


@pytest.mark.parametrize(
    ("hits", "verdict"), [(830, Verdict.PASS), (810, Verdict.UNKNOWN), (790, Verdict.UNKNOWN), (770, Verdict.FAIL)]
)
def test_the_hit_ratio_passes_if_its_interval_is_above_the_bound(hits: int, verdict: Verdict) -> None:
    assert judged(measured=totals(hits=hits, misses=1000 - hits))["cache_hit_ratio"].verdict is verdict


def machine(at_s: float, *, others: float = 0.02, steal: float = 0.0, own: float = 0.5) -> Second:
    return Second(at_s, at_s + 1, 2, own, others, steal, 1 - own - others - steal)


def seconds(*late: float, others: Sequence[float] = (), own: float = 0.4) -> list[MeasuredSecond]:
    """Return one second for each of `late`, which is the share of its 100 events that take 20 ms."""
    return [
        MeasuredSecond(
            machine(at, others=others[at] if others else 0.02, own=own),
            totals(events=histogram(*[0.001] * round(100 - 100 * share), *[0.02] * round(100 * share))),
        )
        for at, share in enumerate(late)
    ]


def latency_over(measured: list[MeasuredSecond]) -> CriterionResult:
    whole = merge([second.totals for second in measured])
    return judged(measured=whole, seconds=measured)["event_latency"]


def test_one_slow_second_of_many_does_not_decide_the_verdict() -> None:
    result = latency_over(seconds(*[0.0] * 19, 0.5))
    assert result.verdict is Verdict.UNKNOWN
    assert "on both sides of the bound" in result.note


@pytest.mark.parametrize(("late", "verdict"), [(0.0, Verdict.PASS), (0.05, Verdict.FAIL)])
def test_equally_slow_seconds_decide_the_verdict(late: float, verdict: Verdict) -> None:
    assert latency_over(seconds(*[late] * 20)).verdict is verdict


def test_a_slow_bank_on_a_disturbed_machine_is_unknown() -> None:
    result = latency_over(seconds(*[0.05] * 20, others=[0.5] * 20))
    assert result.verdict is Verdict.UNKNOWN
    assert "disturbed in 20 of 20 seconds" in result.note
    assert "other processes used 50% of the processors" in result.note


def test_a_fast_bank_on_a_disturbed_machine_passes() -> None:
    assert latency_over(seconds(*[0.0] * 20, others=[0.5] * 20)).verdict is Verdict.PASS


def test_a_slow_bank_that_uses_the_processors_itself_fails() -> None:
    assert latency_over(seconds(*[0.05] * 20, own=0.95)).verdict is Verdict.FAIL


def test_a_bank_that_is_slow_in_the_quiet_seconds_fails() -> None:
    result = latency_over(seconds(*[0.05] * 20, others=[0.5] * 10 + [0.02] * 10))
    assert result.verdict is Verdict.FAIL
    assert "9 of 20 seconds" in result.note


def test_a_bank_that_is_slow_only_in_disturbed_seconds_passes() -> None:
    result = latency_over(seconds(*[0.3] * 5, *[0.0] * 15, others=[0.5] * 5 + [0.02] * 15))
    assert result.verdict is Verdict.PASS
    assert "14 of 20 seconds" in result.note


def test_too_few_quiet_seconds_do_not_pass_a_bank() -> None:
    result = latency_over(seconds(*[0.3] * 12, *[0.0] * 8, others=[0.5] * 12 + [0.02] * 8))
    assert result.verdict is Verdict.UNKNOWN


def test_a_low_hit_ratio_on_a_disturbed_machine_fails() -> None:
    few = [MeasuredSecond(machine(at, others=0.5), totals(hits=10, misses=90)) for at in range(20)]
    whole = merge([second.totals for second in few])
    assert judged(measured=whole, seconds=few)["cache_hit_ratio"].verdict is Verdict.FAIL


def test_a_lower_hit_ratio_only_in_disturbed_seconds_is_unknown() -> None:
    fewer = [MeasuredSecond(machine(at, others=0.5), totals(hits=71, misses=29)) for at in range(20)]
    whole = merge([second.totals for second in fewer])
    assert judged(measured=whole, seconds=fewer)["cache_hit_ratio"].verdict is Verdict.UNKNOWN
    assert judged(measured=whole)["cache_hit_ratio"].verdict is Verdict.FAIL


def test_reads_of_disturbed_seconds_are_not_compared() -> None:
    slow = [replace(one, intended_start_s=5.5) for one in arms(10, 10)]
    quick = [replace(one, intended_start_s=15.5) for one in arms(2, 10)]
    measured = seconds(*[0.0] * 20, others=[0.5] * 8 + [0.02] * 12)
    whole = merge([second.totals for second in measured])
    result = judged([*slow, *quick], measured=whole, seconds=measured)["cached_reads_are_faster"]
    assert (result.verdict, result.samples) == (Verdict.PASS, 300)
    assert judged([*slow, *quick], measured=whole)["cached_reads_are_faster"].verdict is not Verdict.PASS


def test_a_value_equal_to_an_exclusive_bound_fails() -> None:
    criterion = next(criterion for criterion in load_criteria() if criterion.id == "event_latency")
    assert judge(criterion, Measurement(10.0, 1000)).verdict is Verdict.FAIL
    assert judge(criterion, Measurement(9.99, 1000)).verdict is Verdict.PASS


def test_an_informational_criterion_is_judged_and_marked() -> None:
    results = judged([], required={"event_latency"})
    assert not results["cached_reads_are_faster"].required
    assert results["cached_reads_are_faster"].verdict is Verdict.UNKNOWN
    assert results["event_latency"].required


def test_a_scenario_cannot_require_an_unknown_criterion() -> None:
    with pytest.raises(CriteriaError, match='"speed of light"'):
        evaluate(load_criteria(), [], MetricsTotals(), seed=1, required={"speed of light"})


ENTRY = """
[[criterion]]
id = "a"
title = "A"
spec = "1"
measure = "event_latency"
unit = "ms"
below = 10
minimum_samples = 5
timing = true
how = "so"
"""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("event_latency", "wishes"), r'criterion 1 \(a\): measure is "wishes", not one of cache_hit_ratio'),
        (("below = 10", ""), "exactly one of at_least and below"),
        (("below = 10", "below = 10\nat_least = 3"), "exactly one of at_least and below"),
        (("below = 10", "below = true"), "below must be a number"),
        (("below = 10", "below = nan"), "below must be a number"),
        (("minimum_samples = 5", "minimum_samples = 0"), "minimum_samples must be a whole number"),
        (("minimum_samples = 5", ""), "minimum_samples must be a whole number"),
        (("timing = true", "timing = true\ninexcusable = true"), "inexcusable must be a number"),
        (("timing = true", ""), "timing must be true or false"),
        (('title = "A"', 'title = " "'), "title must be a text"),
        (('unit = "ms"', 'unit = "ms"\nabove = 3'), "above is not one of"),
        (("[[criterion]]", "[criterion]"), "tables and nothing else"),
        (("[[criterion]]", "[[criterion"), "cannot be read"),
    ],
)
def test_an_invalid_entry_is_named_in_one_sentence(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text(ENTRY.replace(*change))
    with pytest.raises(CriteriaError, match=sentence) as raised:
        load_criteria(file)
    assert "criteria.toml" in str(raised.value)


def test_an_id_of_a_criterion_is_unique(tmp_path: Path) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text(ENTRY + ENTRY)
    with pytest.raises(CriteriaError, match='more than one criterion "a"'):
        load_criteria(file)
