"""Numbers for information: facts about the requests of a run that have no target."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from simulation.criteria.measures import Evidence, histogram_p99_ms, improvement
from simulation.model.attempts import Outcome
from simulation.model.metrics import CACHE_REQUESTS, DATABASE_TIME, EVENT_LATENCY
from simulation.model.numbers import percentile
from simulation.model.operations import Arm
from simulation.model.result import OperationSample, RunResult

OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "unknown", "error")

CACHE_DID = {
    "hit": "the response was in the cache",
    "write_through": "made of cached values only",
    "miss": "the response was not in the cache",
    "stale": "the response in the cache was out of date",
    "away": "the cache did not answer",
    "bypass": "the request bypassed the cache",
}
"""The results of a read in the bank's cache, by the name in its metrics."""

TIMELINE_POINTS = 120
"""The bound of points in a line. More points are not visible on a plot 400 pixels wide, and make the page larger."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The 50th, 95th and 99th percentile of times, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """The requests of one operation of the drive, or of one of its arms. Times are of requests with any outcome."""

    operation: str
    arm: Arm | None
    count: int
    outcomes: dict[Outcome, int]
    latency_ms: Percentiles
    service_ms: Percentiles


@dataclass(frozen=True, slots=True)
class Window:
    """A period of the drive, from `from_s` to `to_s`.

    `completed` counts the requests that ended in it, by outcome. `latency_ms` is of those with an intended start in it.
    """

    from_s: float
    to_s: float
    completed: dict[Outcome, int]
    latency_ms: Percentiles | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One number with its unit and title. `value` is None if nothing was measured."""

    name: str
    title: str
    value: float | None
    unit: str


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """Return the percentiles of `values`, or None if there are no values."""
    ascending = sorted(values)
    if not ascending:
        return None
    return Percentiles(*(percentile(ascending, q) for q in (0.50, 0.95, 0.99)))


def driven(samples: Iterable[OperationSample]) -> list[OperationSample]:
    """Return the requests of the drive, without those of the setup and after the drive."""
    return [sample for sample in samples if sample.phase == "drive"]


def by_operation(samples: Iterable[OperationSample]) -> tuple[OperationFacts, ...]:
    """Return the facts of each operation of the drive, the most frequent first."""
    return _facts(driven(samples), lambda sample: (sample.operation, None))


def by_arm(samples: Iterable[OperationSample]) -> tuple[OperationFacts, ...]:
    """Return the facts of each arm of the operations that were sent both with and without the cache."""
    compared = [sample for sample in driven(samples) if sample.arm is not None]
    facts = _facts(compared, lambda sample: (sample.operation, sample.arm))
    arms = Counter(fact.operation for fact in facts)
    return tuple(sorted((f for f in facts if arms[f.operation] == 2), key=lambda f: (f.operation, f.arm or "")))


def _facts(
    samples: Iterable[OperationSample], key: Callable[[OperationSample], tuple[str, Arm | None]]
) -> tuple[OperationFacts, ...]:
    groups: dict[tuple[str, Arm | None], list[OperationSample]] = defaultdict(list)
    for sample in samples:
        groups[key(sample)].append(sample)
    found = []
    for (operation, arm), group in groups.items():
        latency, service = percentiles(s.latency_ms for s in group), percentiles(s.service_ms for s in group)
        if latency and service:
            found.append(OperationFacts(operation, arm, len(group), count_outcomes(group), latency, service))
    return tuple(sorted(found, key=lambda fact: (-fact.count, fact.operation)))


def count_outcomes(samples: Iterable[OperationSample]) -> dict[Outcome, int]:
    """Return the number of requests by outcome; every outcome is a key."""
    counted = Counter(sample.outcome for sample in samples)
    return {outcome: counted[outcome] for outcome in OUTCOMES}


def timeline(samples: Sequence[OperationSample], duration_s: float) -> tuple[Window, ...]:
    """Return the windows of the drive, of a second each, or longer if there were more than `TIMELINE_POINTS`.

    A request that ends after the drive counts in the last window.
    """
    requests = driven(samples)
    if not requests or duration_s <= 0:
        return ()
    width = max(1.0, duration_s / TIMELINE_POINTS)
    last = max(0, int(-(-duration_s // width)) - 1)
    completed: dict[int, Counter[Outcome]] = defaultdict(Counter)
    started: dict[int, list[float]] = defaultdict(list)
    for sample in requests:
        completed[_window((sample.intended_start_s + sample.latency_ms / 1000) / width, last)][sample.outcome] += 1
        started[_window(sample.intended_start_s / width, last)].append(sample.latency_ms)
    return tuple(
        Window(
            number * width,
            min((number + 1) * width, duration_s),
            {outcome: completed[number][outcome] for outcome in OUTCOMES},
            percentiles(started[number]),
        )
        for number in range(last + 1)
    )


def _window(position: float, last: int) -> int:
    return min(max(int(position), 0), last)


def information(result: RunResult) -> tuple[Fact, ...]:
    """Return the numbers of the run that have no target."""
    requests = driven(result.samples)
    outcomes = count_outcomes(requests)
    evidence = Evidence(result.samples, result.totals, result.seed)
    from_intended = improvement(evidence, lambda sample: sample.latency_ms).value
    misses = histogram_p99_ms(result.totals.histogram(DATABASE_TIME, cache="miss")).value
    per_second = len(requests) / result.driven_s if result.driven_s > 0 else None
    return (
        Fact("requests", "Requests of the drive", len(requests), ""),
        Fact("requests_per_second", "Requests per second", per_second, "/s"),
        Fact("refused", "Refused by a rule of the bank", outcomes["refused"], ""),
        Fact("unknown", "Without an answer, the outcome unknown", outcomes["unknown"], ""),
        Fact("errors", "Errors", outcomes["error"], ""),
        Fact("improvement_from_intended_start", "Improvement by caching, from the intended start", from_intended, "%"),
        Fact("database_time_of_misses", "Database time of cache misses, p99", misses, "ms"),
        Fact(
            "events_through_memory",
            "Events handled from memory",
            result.totals.histogram(EVENT_LATENCY, path="memory").count,
            "",
        ),
        Fact(
            "events_from_log",
            "Events handled from the log",
            result.totals.histogram(EVENT_LATENCY, path="log").count,
            "",
        ),
        *(
            Fact(f"cache_{did}", f"Reads: {CACHE_DID.get(did, did)}", count, "")
            for did, count in sorted(result.totals.counter_by(CACHE_REQUESTS, "result").items())
        ),
    )
