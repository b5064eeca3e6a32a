"""A fictitious run: the same numbers every time, with every element of a report."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from simulation.criteria.evaluate import evaluate, load_criteria
from simulation.model.attempts import Outcome
from simulation.model.machine import MachineFacts, Second
from simulation.model.metrics import CACHE_REQUESTS, DATABASE_TIME, EVENT_LATENCY, Histogram, MetricsTotals
from simulation.model.operations import Arm
from simulation.model.result import (
    CheckResult,
    CoverageItem,
    FaultResult,
    MetricSample,
    OperationSample,
    RunResult,
    Verdict,
    WorkerRestart,
)

SEED = 42
DURATION_S = 30.0
EDGES_MS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250)
# operation: share of the requests, median in ms, whether it is sent in both arms
MIX = {
    "Me": (0.28, 6.0, True),
    "AccountBalance": (0.22, 4.0, True),
    "AccountHistory": (0.16, 13.0, True),
    "Transfer": (0.27, 9.0, False),
    "Deposit": (0.04, 9.0, False),
    "Login": (0.03, 60.0, False),
}
CHECKS = (
    ("conservation", "No money appears or vanishes", 1_412),
    ("no_overdraft", "No balance is ever below zero", 2_938),
    ("exactly_once", "Every idempotency key has one effect", 496),
    ("durable", "What was acknowledged is still there", 471),
    ("events_complete", "Every change has its event, in order", 1_884),
    ("audit_complete", "Every event has its audit row", 1_884),
)
COVERAGE = (
    ("refusal", "A transfer refused for lack of funds", 23),
    ("replay", "A retry answered with the first answer", 61),
    ("key_conflict", "A key used again for something else", 9),
    ("cache_miss", "A read that the cache could not answer", 204),
    ("cache_hit", "A read that the cache answered", 1_611),
)


def _outcome(operation: str, random: Random) -> Outcome:
    toss = random.random()
    if operation == "Transfer" and toss < 0.07:
        return "refused"
    return "unknown" if toss > 0.998 else "ok"


def make_samples(count: int = 3_000, seed: int = SEED) -> tuple[OperationSample, ...]:
    """Return requests spread over the drive, with a stall of half a second around a restart at 17 s."""
    random = Random(seed)
    names, weights = list(MIX), [share for share, _, _ in MIX.values()]
    samples = [
        OperationSample("Register", None, "setup", -4 + 0.05 * i, 80.0 + i % 7, 80.0 + i % 7, "ok") for i in range(60)
    ]
    for number in range(count):
        start_s = DURATION_S * number / count
        operation = random.choices(names, weights)[0]
        _, median_ms, compared = MIX[operation]
        arm: Arm | None = random.choice(("cached", "uncached")) if compared else None
        service_ms = median_ms * random.lognormvariate(0, 0.45) * (0.3 if arm == "cached" else 1)
        stalled_ms = max(0.0, 17.5 - start_s) * 1000 if 17.0 <= start_s < 17.5 else 0.0
        latency_ms = service_ms + stalled_ms + random.expovariate(2)
        samples.append(
            OperationSample(operation, arm, "drive", start_s, latency_ms, service_ms, _outcome(operation, random))
        )
    return tuple(samples)


def make_histogram(count: int, median_ms: float, spread: float, seed: int) -> Histogram:
    random = Random(seed)
    values_ms = [median_ms * random.lognormvariate(0, spread) for _ in range(count)]
    buckets = [(edge / 1000, float(sum(ms <= edge for ms in values_ms))) for edge in EDGES_MS]
    return Histogram((*buckets, (math.inf, float(count))), float(count), sum(values_ms) / 1000)


def make_totals(event_ms: float = 0.6) -> MetricsTotals:
    counters = {"hit": 1_611.0, "miss": 180.0, "stale": 24.0, "bypass": 1_800.0}
    database = {"hit": (1_611, 0.05), "miss": (204, 3.0), "bypass": (1_800, 2.4)}
    events = {("audit", "memory"): 1_884, ("cache", "memory"): 1_884, ("audit", "log"): 37}
    return MetricsTotals(
        {(CACHE_REQUESTS, (("result", result),)): value for result, value in counters.items()},
        {
            **{
                (EVENT_LATENCY, (("path", path), ("subscriber", name))): make_histogram(n, event_ms, 0.5, n)
                for (name, path), n in events.items()
            },
            **{
                (DATABASE_TIME, (("cache", cache), ("operation", "Me"))): make_histogram(n, median_ms, 0.5, n)
                for cache, (n, median_ms) in database.items()
            },
        },
    )


def make_metrics() -> tuple[MetricSample, ...]:
    random = Random(SEED)
    found = []
    for second in range(1, int(DURATION_S) + 1):
        ratio = min(0.97, 0.55 + second / 20) - (0.25 if second == 18 else 0)
        p50 = 0.5 + random.random() / 5
        hits = round(60 * ratio)
        values = {"cache_hits": hits, "cache_misses": 60 - hits, "events": 126.0, "event_p50_ms": p50}
        found.append(MetricSample(float(second), {**values, "event_p99_ms": p50 * (2 + random.random())}))
    return tuple(found)


def make_run() -> RunResult:
    """Return a run that passed."""
    samples, totals = make_samples(), make_totals()
    started = datetime(2026, 11, 22, 16, 3, tzinfo=UTC)
    return RunResult(
        scenario="first_day",
        seed=SEED,
        plan_hash="9f3ab2c41d07",
        backend="embedded",
        workers=2,
        people=60,
        duration_s=DURATION_S,
        rate=100.0,
        started_at=started,
        finished_at=started + timedelta(seconds=52),
        replay_command="simulation run --scenario first_day --seed 42 --people 60 --duration 30 --rate 100 --workers 2",
        criteria=evaluate(load_criteria(), samples, totals, seed=SEED),
        checks=tuple(CheckResult(name, title, Verdict.PASS, n, 0) for name, title, n in CHECKS),
        coverage=tuple(CoverageItem(name, title, seen) for name, title, seen in COVERAGE),
        samples=samples,
        metrics=make_metrics(),
        totals=totals,
        worker_restarts=(WorkerRestart(17.0, "worker-2", "killed with signal 9, as planned"),),
        seconds=tuple(Second(at, at + 1, 2, 0.6, 0.3 if at == 12 else 0.02, 0.0, 0.1, 0.4) for at in range(30)),
        machine=MachineFacts("Linux 6.8 x86_64", "3.11.9", 2, 0.4, "0.1.0", "0123456789ab"),
        notes=("What worker-2 counted in its last second before it was killed is lost to the metrics.",),
    )


@pytest.fixture(scope="session")
def passed_run() -> RunResult:
    """A run in which all checks and criteria passed."""
    return make_run()


@pytest.fixture(scope="session")
def failed_run() -> RunResult:
    """A run that made money, with slow events, one unknown check, and one missing coverage item."""
    run = make_run()
    totals = make_totals(event_ms=9.0)
    broken = CheckResult(
        "conservation",
        "No money appears or vanishes",
        Verdict.FAIL,
        1_412,
        3,
        (
            'at 11.204 s <Ana & João> "read" accounts of 1,000.00 BRL in total where 990.00 BRL had been put in',
            "at 11.310 s the same accounts sum to 1,010.00 BRL",
        ),
    )
    unsure = CheckResult("durable", "What was acknowledged is still there", Verdict.UNKNOWN, 0, 0, (), "nobody asked")
    return replace(
        run,
        criteria=evaluate(load_criteria(), run.samples, totals, seed=SEED),
        totals=totals,
        checks=(broken, *run.checks[1:3], unsure, *run.checks[4:]),
        coverage=(*run.coverage, CoverageItem("failover", "A worker taken over by another", 0)),
    )


def make_fault(name: str, title: str, at_s: float, *, verdict: Verdict = Verdict.PASS, **more: Any) -> FaultResult:
    """Return a fault of two seconds after which the service was back in 0.4 seconds."""
    usual = FaultResult(
        name, title, at_s - 0.1, at_s, at_s + 2, "as planned", 7, 23, back_s=0.4, takeover_s=None, verdict=verdict
    )
    return replace(usual, **more)


@pytest.fixture(scope="session")
def run_with_faults() -> RunResult:
    """A run with one fault after the other, in which all checks passed."""
    run = make_run()
    faults = (
        make_fault("database_slow", "PostgreSQL is slow", 4.0),
        make_fault("worker_kill", "A worker of the bank is killed", 17.0, ended_s=17.0, back_s=3.2, takeover_s=1.4),
        make_fault("commit_reply_cut", "Replies to COMMIT are lost", 24.0),
    )
    criteria = tuple(replace(criterion, required=False) for criterion in run.criteria)
    return replace(run, faults=faults, criteria=criteria)
