"""Measures of the success criteria: pure functions from samples and totals to a number with its uncertainty.

`contracts/success_criteria.toml` names a measure by its key in `MEASURES` and describes it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from simulation.model.metrics import DATABASE_TIME, EVENT_LATENCY, Histogram, MetricsTotals, cache_hits_and_misses
from simulation.model.numbers import percentile
from simulation.model.operations import Arm
from simulation.model.result import OperationSample

MINIMUM_PER_ARM = 20
"""The least number of requests of an operation in each arm for the comparison, because a median of fewer is mostly
chance."""

RESAMPLES = 2_000
"""Number of bootstrap rounds. Each end of a 95 % interval then depends on 50 rounds, and varies by about a tenth of the
width of the interval."""


MINIMUM_BLOCKS = 5
"""The least number of seconds with observations for resampling; with fewer, many resamples repeat one second."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measurements of a run. `seed` makes the resampling repeatable.

    `windows` are the totals of each second, if they are known. Whole seconds are resampled, not single events, because
    late events come in bursts. With one of the bank's `workers`, no event comes from another process.
    """

    samples: Sequence[OperationSample]
    totals: MetricsTotals
    seed: int
    windows: Sequence[MetricsTotals] = ()
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value with the number of samples behind it.

    `interval` is a 95 % interval. If `bracket` is true, it is the pair of histogram edges between which the value
    certainly lies.
    """

    value: float | None
    samples: int
    interval: tuple[float, float] | None = None
    bracket: bool = False
    note: str = ""


def median(ascending: Sequence[float]) -> float:
    """Return the median of the sorted, not empty `ascending`: the middle value, or the mean of the two middle ones."""
    middle = len(ascending) // 2
    return ascending[middle] if len(ascending) % 2 else (ascending[middle - 1] + ascending[middle]) / 2


def _resampled_median(ascending: Sequence[float], random: Random) -> float:
    """Draw the median of a resample directly.

    The median of n values drawn with replacement is the value at the rank of the median of n uniform numbers. This rank
    has a Beta distribution, so one draw is enough instead of n.
    """
    half = (len(ascending) + 1) / 2
    return ascending[min(len(ascending) - 1, int(random.betavariate(half, half) * len(ascending)))]


def response_time_improvement(evidence: Evidence) -> Measurement:
    """Return by how many per cent the cache lowers the response time that the bank reports."""
    return improvement(evidence, lambda sample: sample.service_ms)


def improvement(evidence: Evidence, time_ms: Callable[[OperationSample], float]) -> Measurement:
    """Return by how many per cent the cache lowers the median of `time_ms`, weighted by each operation's requests.

    Only operations with `MINIMUM_PER_ARM` answered requests in both arms are included; the note names the others. The
    number of samples is that of the smaller arm.
    """
    times: dict[str, dict[Arm, list[float]]] = defaultdict(lambda: {"cached": [], "uncached": []})
    for sample in evidence.samples:
        if sample.arm is not None and sample.phase == "drive" and sample.outcome == "ok":
            times[sample.operation][sample.arm].append(time_ms(sample))
    both: dict[str, tuple[list[float], list[float]]] = {}
    for operation, arms in sorted(times.items()):
        if min(len(arms["cached"]), len(arms["uncached"])) >= MINIMUM_PER_ARM:
            both[operation] = (sorted(arms["cached"]), sorted(arms["uncached"]))
    left_out = sorted(times.keys() - both.keys())
    note = f"too few in one of the arms, left out: {', '.join(left_out)}" if left_out else ""
    if not both:
        return Measurement(None, 0, note=note)
    weights = {operation: len(cached) + len(uncached) for operation, (cached, uncached) in both.items()}
    value = _weighted(weights, {name: median(cached) / median(uncached) for name, (cached, uncached) in both.items()})
    random = Random(f"{evidence.seed} response time improvement")
    rounds = sorted(
        _weighted(
            weights,
            {
                name: _resampled_median(cached, random) / _resampled_median(uncached, random)
                for name, (cached, uncached) in both.items()
            },
        )
        for _ in range(RESAMPLES)
    )
    smaller_arm = min(sum(len(pair[arm]) for pair in both.values()) for arm in (0, 1))
    return Measurement(value, smaller_arm, (percentile(rounds, 0.025), percentile(rounds, 0.975)), note=note)


def _weighted(weights: Mapping[str, int], ratios: Mapping[str, float]) -> float:
    return 100 * sum(weight * (1 - ratios[name]) for name, weight in weights.items()) / sum(weights.values())


def database_time_of_cached_operations(evidence: Evidence) -> Measurement:
    """Return the p99 of the database time (ms) of reads that use the cache, hits included."""
    return resampled_p99_ms(evidence, _through_the_cache)


def _through_the_cache(totals: MetricsTotals) -> Histogram:
    return totals.histogram(DATABASE_TIME, cache="hit").plus(totals.histogram(DATABASE_TIME, cache="miss"))


def event_latency(evidence: Evidence) -> Measurement:
    """Return the p99 (ms) from commit to the start of the handler, of events that their own process delivers.

    With one worker, these are all events, including late ones from the log. With several workers, most events from the
    log were committed by another worker, and `event_latency_between_workers` measures them.
    """
    if evidence.workers == 1:
        return resampled_p99_ms(evidence, lambda totals: totals.histogram(EVENT_LATENCY))
    return resampled_p99_ms(evidence, lambda totals: totals.histogram(EVENT_LATENCY, path="memory"))


def event_latency_between_workers(evidence: Evidence) -> Measurement:
    """Return the p99 (ms) of events that were read from the log, measured from their time, set before the commit."""
    return resampled_p99_ms(evidence, lambda totals: totals.histogram(EVENT_LATENCY, path="log"))


def resampled_p99_ms(evidence: Evidence, choose: Callable[[MetricsTotals], Histogram]) -> Measurement:
    """Return the 99th percentile in milliseconds, with an interval from resampling whole seconds.

    Without enough seconds, the interval is the bucket of the percentile.
    """
    measured = histogram_p99_ms(choose(evidence.totals))
    blocks = [block for block in map(choose, evidence.windows) if block.count > 0]
    if measured.value is None or len(blocks) < MINIMUM_BLOCKS:
        return measured
    edges = [edge for edge, _ in blocks[0].buckets]
    counts = np.array([[cumulative for _, cumulative in block.buckets] for block in blocks])
    draw = np.random.default_rng(evidence.seed)
    drawn = draw.multinomial(len(blocks), [1 / len(blocks)] * len(blocks), size=RESAMPLES) @ counts
    quantiles = sorted(
        Histogram(tuple(zip(edges, map(float, row), strict=True)), float(row[-1])).quantile(0.99) or 0.0
        for row in drawn
    )
    low, high = (percentile(quantiles, q) * 1000 for q in (0.025, 0.975))
    return replace(measured, interval=(low, high), bracket=False)


def histogram_p99_ms(histogram: Histogram) -> Measurement:
    """Return the 99th percentile in milliseconds with its bucket."""
    edges, value = histogram.bracket(0.99), histogram.quantile(0.99)
    if edges is None or value is None:
        return Measurement(None, 0)
    lower, upper = edges[0] * 1000, edges[1] * 1000
    if math.isinf(upper):
        note = "beyond the histogram's last edge: at least the number shown"
        return Measurement(lower, int(histogram.count), (lower, upper), bracket=True, note=note)
    return Measurement(value * 1000, int(histogram.count), (lower, upper), bracket=True)


def cache_hit_ratio(evidence: Evidence) -> Measurement:
    """Return hits in per cent of all reads that do not bypass the cache, with Wilson's interval."""
    hits, misses = cache_hits_and_misses(evidence.totals)
    asked = hits + misses
    if not asked:
        return Measurement(None, 0)
    share, z = hits / asked, 1.96
    middle = (share + z * z / (2 * asked)) / (1 + z * z / asked)
    reach = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked)) / (1 + z * z / asked)
    return Measurement(100 * share, int(asked), (100 * (middle - reach), 100 * (middle + reach)))


MEASURES: Mapping[str, Callable[[Evidence], Measurement]] = {
    "response_time_improvement": response_time_improvement,
    "database_time_of_cached_operations": database_time_of_cached_operations,
    "event_latency": event_latency,
    "event_latency_between_workers": event_latency_between_workers,
    "cache_hit_ratio": cache_hit_ratio,
}

BETWEEN_WORKERS = frozenset({"event_latency_between_workers"})
"""The measures that need more than one worker."""
