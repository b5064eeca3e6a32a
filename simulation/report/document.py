"""The run as one JSON document, for programs. Keys are added, never renamed; `docs/report.md` describes them."""

from dataclasses import asdict

import msgspec

from simulation.machine.seconds import disturbance
from simulation.model.metrics import CACHE_REQUESTS, DATABASE_TIME, EVENT_LATENCY, Histogram
from simulation.model.result import RunResult
from simulation.report.facts import by_arm, by_operation, count_outcomes, driven, information, timeline
from simulation.report.wording import first_trouble, headline

REPORT_VERSION = 2
"""The version of the format, which is increased if a key changes its meaning. Programs should read it first."""


def build_document(result: RunResult) -> dict[str, object]:
    """Return all results of a run, without its single requests."""
    took_s = (result.finished_at - result.started_at).total_seconds()
    return {
        "report_version": REPORT_VERSION,
        "verdict": result.verdict.value,
        "exit_code": result.exit_code,
        "headline": headline(result),
        "first_trouble": first_trouble(result),
        "run": {
            "scenario": result.scenario,
            "seed": result.seed,
            "plan_hash": result.plan_hash,
            "backend": result.backend,
            "workers": result.workers,
            "people": result.people,
            "duration_s": result.duration_s,
            "overtime_s": result.overtime_s,
            "rate_per_s": result.rate,
            "started_at": result.started_at.isoformat(),
            "finished_at": result.finished_at.isoformat(),
            "took_s": took_s,
            "replay_command": result.replay_command,
        },
        "machine": _machine(result),
        "criteria": [asdict(criterion) for criterion in result.criteria],
        "checks": [asdict(check) for check in result.checks],
        "faults": [asdict(fault) for fault in result.faults],
        "attacks": [asdict(attack) for attack in result.attacks],
        "coverage": [asdict(coverage_item) for coverage_item in result.coverage],
        "outcomes": count_outcomes(driven(result.samples)),
        "operations": [asdict(fact) for fact in by_operation(result.samples)],
        "arms": [asdict(fact) for fact in by_arm(result.samples)],
        "information": [asdict(fact) for fact in information(result)],
        "timeline": [asdict(window) for window in timeline(result.samples, result.driven_s)],
        "metrics": [{"at_s": sample.at_s, **sample.values} for sample in result.metrics],
        "cache_requests": result.totals.counter_by(CACHE_REQUESTS, "result"),
        "histograms": {
            "event_latency_memory": _buckets(result.totals.histogram(EVENT_LATENCY, path="memory")),
            "event_latency_log": _buckets(result.totals.histogram(EVENT_LATENCY, path="log")),
            "database_hit": _buckets(result.totals.histogram(DATABASE_TIME, cache="hit")),
            "database_miss": _buckets(result.totals.histogram(DATABASE_TIME, cache="miss")),
            "database_bypass": _buckets(result.totals.histogram(DATABASE_TIME, cache="bypass")),
        },
        "worker_restarts": [asdict(restart) for restart in result.worker_restarts],
        "first_violation": [asdict(excerpt) for excerpt in result.first_violation],
        "kept_database": result.kept_database,
        "notes": list(result.notes),
    }


def _machine(result: RunResult) -> dict[str, object] | None:
    if result.machine is None:
        return None
    return {
        **asdict(result.machine),
        "disturbed_s": sum(second.to_s - second.from_s for second in result.seconds if disturbance(second)),
        "seconds": [asdict(second) for second in result.seconds],
    }


def _buckets(histogram: Histogram) -> dict[str, object]:
    return {
        "count": histogram.count,
        "sum_s": histogram.sum,
        "buckets": [{"up_to_s": edge, "count": cumulative} for edge, cumulative in histogram.buckets],
    }


def render_json(result: RunResult) -> str:
    """Return the document as indented text. An infinite number is null, because JSON cannot represent it."""
    return msgspec.json.format(msgspec.json.encode(build_document(result)), indent=2).decode() + "\n"
