"""A second of the drive: the bank's counts in it, and the use of the machine."""

from dataclasses import dataclass

from simulation.model.machine import Second
from simulation.model.metrics import EVENT_LATENCY, MetricsTotals, cache_hits_and_misses
from simulation.model.result import MetricSample


@dataclass(frozen=True, slots=True)
class MeasuredSecond:
    """The bank's counts in one second of the drive, and the use of the machine in it."""

    machine: Second
    totals: MetricsTotals


def measure_interval(at_s: float, now: MetricsTotals, before: MetricsTotals) -> MetricSample:
    """Return the changes between two totals: cache hits and misses, events, event latency quantiles in milliseconds."""
    change = now.since(before)
    hits, misses = cache_hits_and_misses(change)
    values = {"cache_hits": hits, "cache_misses": misses}
    events = change.histogram(EVENT_LATENCY, path="memory")
    values["events"] = events.count
    for name, q in (("event_p50_ms", 0.50), ("event_p99_ms", 0.99)):
        quantile = events.quantile(q)
        if quantile is not None and quantile != float("inf"):
            values[name] = quantile * 1000
    return MetricSample(at_s, values)
