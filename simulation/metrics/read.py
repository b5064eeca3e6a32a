"""The reader of the bank's own metrics, which parses Prometheus text, adds up workers and recognizes restarts.

Counters begin at zero again after the restart of a worker. `MetricsAccumulator` detects this and keeps the counts of
the old process up to its last scrape. The later counts of a killed process are lost, and are not estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from simulation.model.metrics import Histogram, MetricsTotals, SeriesKey, merge


@dataclass(frozen=True, slots=True)
class Scrape:
    """The answer of one worker to one `GET /metrics`.

    `started` is the start time of the process, or None if the answer does not contain it.
    """

    totals: MetricsTotals
    gauges: Mapping[SeriesKey, float]
    started: float | None


def parse_metrics(text: str) -> Scrape:
    """Parse Prometheus text. Raises ValueError for any other text."""
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


def _has_restarted(new: MetricsTotals, old: MetricsTotals) -> bool:
    """Return whether a count is lower than before, or missing, which only a new process can cause."""
    return any(new.counters.get(key, 0.0) < value for key, value in old.counters.items()) or any(
        new.histograms.get(key, Histogram()).count < value.count for key, value in old.histograms.items()
    )


class MetricsAccumulator:
    """Totals over all workers and their restarts, from scrapes at any times."""

    def __init__(self) -> None:
        self._latest: dict[str, Scrape] = {}
        self._retired = MetricsTotals()
        self.restarts_seen: dict[str, int] = {}

    def add_scrape(self, worker: str, text: str) -> None:
        """Add the `/metrics` text of one worker. Raises ValueError if it is not Prometheus text."""
        scrape = parse_metrics(text)
        before = self._latest.get(worker)
        if before is not None and (scrape.started != before.started or _has_restarted(scrape.totals, before.totals)):
            self._retired = self._retired.plus(before.totals)
            self.restarts_seen[worker] = self.restarts_seen.get(worker, 0) + 1
        self._latest[worker] = scrape

    def totals(self) -> MetricsTotals:
        """Return the counts of all workers up to their last scrapes, with those of the processes before a restart."""
        return merge([self._retired, *(scrape.totals for scrape in self._latest.values())])
