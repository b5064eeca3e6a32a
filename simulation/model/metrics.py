"""Values of the bank's own metrics: counters and histograms, summed over all workers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]


SeriesKey: TypeAlias = tuple[str, Labels]


CACHE_REQUESTS = "bank_cache_requests_total"

EVENT_LATENCY = "bank_event_latency_seconds"

DATABASE_TIME = "bank_database_seconds"

EVENTS_HANDLED = "bank_events_handled_total"

HITS = frozenset({"hit", "write_through"})
"""Results of reads that the cache alone answered, with a stored response or with stored values for all of it."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counted observations: for each upper edge, the number of observations at or below it.

    Edges are in seconds and ascending; the last one is infinity.
    """

    buckets: tuple[tuple[float, float], ...] = ()
    count: float = 0.0
    sum: float = 0.0

    def bracket(self, q: float) -> tuple[float, float] | None:
        """Return the edges between which the `q` quantile (0 to 1) certainly lies; None without observations."""
        if self.count <= 0:
            return None
        rank = q * self.count
        lower = 0.0
        for upper, cumulative in self.buckets:
            if cumulative >= rank and cumulative > 0:
                return lower, upper
            lower = upper
        return lower, math.inf

    def quantile(self, q: float) -> float | None:
        """Return the `q` quantile in seconds, interpolated linearly in its bucket; infinity above the last edge."""
        edges = self.bracket(q)
        if edges is None:
            return None
        lower, upper = edges
        if math.isinf(upper):
            return math.inf
        below = max((cumulative for edge, cumulative in self.buckets if edge <= lower), default=0.0)
        inside = next(cumulative for edge, cumulative in self.buckets if edge == upper) - below
        return lower + (upper - lower) * (q * self.count - below) / inside if inside > 0 else upper

    def plus(self, other: "Histogram") -> "Histogram":
        """Return the sum of both histograms. Raises ValueError if their edges differ, since they cannot be added."""
        return self._combined(other, 1.0)

    def minus(self, earlier: "Histogram") -> "Histogram":
        """Return the observations since `earlier`, an earlier state of the same histogram."""
        return self._combined(earlier, -1.0)

    def _combined(self, other: "Histogram", sign: float) -> "Histogram":
        if not other.buckets:
            return self
        mine = self.buckets or tuple((edge, 0.0) for edge, _ in other.buckets)
        if [edge for edge, _ in mine] != [edge for edge, _ in other.buckets]:
            raise ValueError("two histograms of one name have different bucket edges, so they cannot be added up")
        buckets = tuple((edge, a + sign * b) for (edge, a), (_, b) in zip(mine, other.buckets, strict=True))
        return Histogram(buckets, self.count + sign * other.count, self.sum + sign * other.sum)


@dataclass(frozen=True, slots=True)
class MetricsTotals:
    """Counters and histograms by name and labels, summed over all workers."""

    counters: Mapping[SeriesKey, float] = field(default_factory=dict)
    histograms: Mapping[SeriesKey, Histogram] = field(default_factory=dict)

    def counter(self, name: str, **labels: str) -> float:
        """Return the sum of the counter's series that have all of `labels`; 0 if there is none."""
        return sum(value for key, value in self.counters.items() if _matches(key, name, labels))

    def counter_by(self, name: str, label: str) -> dict[str, float]:
        """Return the counter's sums for each value of `label`."""
        sums: dict[str, float] = {}
        for (found, labels), value in self.counters.items():
            if found == name:
                of = dict(labels).get(label, "")
                sums[of] = sums.get(of, 0.0) + value
        return sums

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return the sum of the histogram's series that have all of `labels`; an empty histogram if there is none."""
        total = Histogram()
        for key, value in self.histograms.items():
            if _matches(key, name, labels):
                total = total.plus(value)
        return total

    def plus(self, other: "MetricsTotals") -> "MetricsTotals":
        """Return the sum with the totals of another worker, or of the same worker before its restart."""
        counters = dict(self.counters)
        for key, value in other.counters.items():
            counters[key] = counters.get(key, 0.0) + value
        histograms = dict(self.histograms)
        for key, histogram in other.histograms.items():
            histograms[key] = histograms.get(key, Histogram()).plus(histogram)
        return MetricsTotals(counters, histograms)

    def since(self, earlier: "MetricsTotals") -> "MetricsTotals":
        """Return the counts between `earlier` and now."""
        return MetricsTotals(
            {key: value - earlier.counters.get(key, 0.0) for key, value in self.counters.items()},
            {key: value.minus(earlier.histograms.get(key, Histogram())) for key, value in self.histograms.items()},
        )


def _matches(key: SeriesKey, name: str, wanted: Mapping[str, str]) -> bool:
    return key[0] == name and wanted.items() <= dict(key[1]).items()


def merge(parts: Iterable[MetricsTotals]) -> MetricsTotals:
    """Return the sum of all `parts`."""
    total = MetricsTotals()
    for part in parts:
        total = total.plus(part)
    return total


def cache_hits_and_misses(totals: MetricsTotals) -> tuple[float, float]:
    """Return (hits, misses). A request that bypasses the cache is neither; every other result than a hit is a miss."""
    by_result = totals.counter_by(CACHE_REQUESTS, "result")
    hits = sum(n for result, n in by_result.items() if result in HITS)
    return hits, sum(n for result, n in by_result.items() if result not in HITS and result != "bypass")
