"""The bank's own metrics: Prometheus text is read, workers are merged, restarts are recognised.

Counters fall back to zero when a worker process is restarted. `MetricsAccumulator` notices and keeps what the old
process had counted up to its last scrape; what a killed process counted after that is lost and never guessed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]
SeriesKey: TypeAlias = tuple[str, Labels]

CACHE_REQUESTS = "bank_cache_requests_total"
EVENT_LATENCY = "bank_event_latency_seconds"
DATABASE_TIME = "bank_database_seconds"
EVENTS_HANDLED = "bank_events_handled_total"

HITS = frozenset({"hit", "write_through"})
"""Reads that the cache alone answered: the whole answer was there, or every value that it is made from was."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counted observations: for each upper edge (seconds, ascending, the last is infinity) how many lay at or below."""

    buckets: tuple[tuple[float, float], ...] = ()
    count: float = 0.0
    sum: float = 0.0

    def bracket(self, q: float) -> tuple[float, float] | None:
        """Return the edges between which the `q` quantile (0 to 1) certainly lies; None where nothing was observed."""
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
        """Return the `q` quantile in seconds, linear inside its bucket; infinity where it is above the last edge."""
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
        """Return both histograms as one. Raises ValueError where their edges differ: they cannot be added."""
        return self._combined(other, 1.0)

    def minus(self, earlier: "Histogram") -> "Histogram":
        """Return what was observed since `earlier`, a former state of this same histogram."""
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
    """Counters and histograms by name and labels, over every worker."""

    counters: Mapping[SeriesKey, float] = field(default_factory=dict)
    histograms: Mapping[SeriesKey, Histogram] = field(default_factory=dict)

    def counter(self, name: str, **labels: str) -> float:
        """Return the sum of the counter's series that carry all of `labels`; 0 where there is none."""
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
        """Return the histogram's series that carry all of `labels`, added up; an empty one where there is none."""
        total = Histogram()
        for key, value in self.histograms.items():
            if _matches(key, name, labels):
                total = total.plus(value)
        return total

    def plus(self, other: "MetricsTotals") -> "MetricsTotals":
        """Return both as one: another worker, or the same worker before its restart."""
        counters = dict(self.counters)
        for key, value in other.counters.items():
            counters[key] = counters.get(key, 0.0) + value
        histograms = dict(self.histograms)
        for key, histogram in other.histograms.items():
            histograms[key] = histograms.get(key, Histogram()).plus(histogram)
        return MetricsTotals(counters, histograms)

    def since(self, earlier: "MetricsTotals") -> "MetricsTotals":
        """Return what was counted between `earlier` and now."""
        return MetricsTotals(
            {key: value - earlier.counters.get(key, 0.0) for key, value in self.counters.items()},
            {key: value.minus(earlier.histograms.get(key, Histogram())) for key, value in self.histograms.items()},
        )


def _matches(key: SeriesKey, name: str, wanted: Mapping[str, str]) -> bool:
    return key[0] == name and wanted.items() <= dict(key[1]).items()


@dataclass(frozen=True, slots=True)
class Scrape:
    """One worker's answer to one `GET /metrics`. `started` changes with the process, where the process tells."""

    totals: MetricsTotals
    gauges: Mapping[SeriesKey, float]
    started: float | None


def parse_metrics(text: str) -> Scrape:
    """Read Prometheus text. Raises ValueError where it is none."""
    counters: dict[SeriesKey, float] = {}
    gauges: dict[SeriesKey, float] = {}
    edges: dict[SeriesKey, list[tuple[float, float]]] = {}
    counts: dict[SeriesKey, float] = {}
    sums: dict[SeriesKey, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            key = (family.name, tuple(sorted(labels.items())))
            if family.type == "counter" and sample.name.endswith("_total"):
                counters[(sample.name, key[1])] = sample.value
            elif family.type == "gauge":
                gauges[key] = sample.value
            elif family.type == "histogram" and sample.name.endswith("_bucket"):
                edges.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
            elif family.type == "histogram" and sample.name.endswith("_count"):
                counts[key] = sample.value
            elif family.type == "histogram" and sample.name.endswith("_sum"):
                sums[key] = sample.value
    histograms = {
        key: Histogram(tuple(sorted(pairs)), counts.get(key, 0.0), sums.get(key, 0.0)) for key, pairs in edges.items()
    }
    return Scrape(MetricsTotals(counters, histograms), gauges, gauges.get(("process_start_time_seconds", ())))


def _fell(new: MetricsTotals, old: MetricsTotals) -> bool:
    """Tell whether a count is lower than before, or gone: only another process can have said so."""
    return any(new.counters.get(key, 0.0) < value for key, value in old.counters.items()) or any(
        new.histograms.get(key, Histogram()).count < value.count for key, value in old.histograms.items()
    )


class MetricsAccumulator:
    """Totals over all workers and their restarts, from scrapes taken at any moments."""

    def __init__(self) -> None:
        self._latest: dict[str, Scrape] = {}
        self._retired = MetricsTotals()
        self.restarts_seen: dict[str, int] = {}

    def take(self, worker: str, text: str) -> None:
        """Take in one worker's `/metrics` text. Raises ValueError where the text is not Prometheus text."""
        scrape = parse_metrics(text)
        before = self._latest.get(worker)
        if before is not None and (scrape.started != before.started or _fell(scrape.totals, before.totals)):
            self._retired = self._retired.plus(before.totals)
            self.restarts_seen[worker] = self.restarts_seen.get(worker, 0) + 1
        self._latest[worker] = scrape

    def totals(self) -> MetricsTotals:
        """Return what every worker has counted up to its last scrape, the processes before a restart included."""
        return merge([self._retired, *(scrape.totals for scrape in self._latest.values())])


def merge(parts: Iterable[MetricsTotals]) -> MetricsTotals:
    """Return all `parts` as one."""
    total = MetricsTotals()
    for part in parts:
        total = total.plus(part)
    return total


def cache_hits_and_misses(totals: MetricsTotals) -> tuple[float, float]:
    """Return (hits, misses). A request told to go past the cache is neither; all else that is no hit is a miss."""
    by_result = totals.counter_by(CACHE_REQUESTS, "result")
    hits = sum(n for result, n in by_result.items() if result in HITS)
    return hits, sum(n for result, n in by_result.items() if result not in HITS and result != "bypass")
