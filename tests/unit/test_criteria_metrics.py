"""The sums of the bank's metrics, across workers and restarts."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from simulation.metrics.read import MetricsAccumulator, parse_metrics
from simulation.metrics.seconds import measure_interval
from simulation.model.metrics import Histogram as Observed
from simulation.model.metrics import MetricsTotals, cache_hits_and_misses

EDGES = (0.001, 0.005, 0.01, 0.1)


class Worker:
    """The metrics registry of a worker, with the names of the bank's metrics."""

    def __init__(self, started: float | None = None) -> None:
        self.registry = CollectorRegistry()
        self.cache = Counter("bank_cache_requests_total", "Reads.", ["result"], registry=self.registry)
        labels = ["subscriber", "path"]
        self.events = Histogram("bank_event_latency_seconds", "x", labels, buckets=EDGES, registry=self.registry)
        if started is not None:
            Gauge("process_start_time_seconds", "Start.", registry=self.registry).set(started)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


def test_two_workers_are_added_up() -> None:
    one, other = Worker(), Worker()
    one.cache.labels("hit").inc(3)
    other.cache.labels("hit").inc(4)
    other.cache.labels("miss").inc(1)
    accumulator = MetricsAccumulator()
    accumulator.add_scrape("1", one.text())
    accumulator.add_scrape("2", other.text())
    assert cache_hits_and_misses(accumulator.totals()) == (7, 1)


def test_a_later_scrape_of_one_worker_replaces_its_earlier_one() -> None:
    worker, accumulator = Worker(), MetricsAccumulator()
    worker.cache.labels("hit").inc(3)
    accumulator.add_scrape("1", worker.text())
    worker.cache.labels("hit").inc(2)
    accumulator.add_scrape("1", worker.text())
    assert accumulator.totals().counter("bank_cache_requests_total", result="hit") == 5
    assert accumulator.restarts_seen == {}


def test_a_count_that_fell_means_a_restart_and_the_old_counts_are_kept() -> None:
    accumulator, before, after = MetricsAccumulator(), Worker(), Worker()
    before.cache.labels("hit").inc(10)
    before.events.labels("audit", "memory").observe(0.002)
    after.cache.labels("hit").inc(2)
    after.events.labels("audit", "memory").observe(0.02)
    for text in (before.text(), after.text()):
        accumulator.add_scrape("1", text)
    totals = accumulator.totals()
    assert totals.counter("bank_cache_requests_total", result="hit") == 12
    assert totals.histogram("bank_event_latency_seconds").count == 2
    assert accumulator.restarts_seen == {"1": 1}


def test_a_restart_with_higher_counts_is_detected_by_its_start_time() -> None:
    accumulator, before, after = MetricsAccumulator(), Worker(started=100), Worker(started=200)
    before.cache.labels("hit").inc(10)
    after.cache.labels("hit").inc(11)
    for text in (before.text(), after.text()):
        accumulator.add_scrape("1", text)
    assert accumulator.totals().counter("bank_cache_requests_total") == 21


def test_the_restart_of_one_worker_leaves_the_other_alone() -> None:
    accumulator, steady, before, after = MetricsAccumulator(), Worker(), Worker(), Worker()
    steady.cache.labels("hit").inc(5)
    before.cache.labels("hit").inc(7)
    for name, worker in (("1", steady), ("2", before), ("2", after), ("1", steady)):
        accumulator.add_scrape(name, worker.text())
    assert accumulator.totals().counter("bank_cache_requests_total") == 12


def test_labels_select_the_series_of_a_sum() -> None:
    worker = Worker()
    for subscriber, path, seconds in (("audit", "memory", 0.002), ("audit", "log", 0.05), ("cache", "memory", 0.002)):
        worker.events.labels(subscriber, path).observe(seconds)
    totals = parse_metrics(worker.text()).totals
    assert totals.histogram("bank_event_latency_seconds", path="memory").count == 2
    assert totals.histogram("bank_event_latency_seconds", subscriber="audit").count == 2
    assert totals.histogram("bank_event_latency_seconds").sum == pytest.approx(0.054)
    assert totals.histogram("bank_event_latency_seconds", path="pigeon") == Observed()


def test_stale_entries_and_cache_errors_are_misses_and_bypasses_do_not_count() -> None:
    worker = Worker()
    for result, n in (("hit", 8), ("miss", 1), ("stale", 2), ("away", 3), ("bypass", 100)):
        worker.cache.labels(result).inc(n)
    assert cache_hits_and_misses(parse_metrics(worker.text()).totals) == (8, 6)


def test_a_response_from_cached_values_alone_is_a_hit() -> None:
    worker = Worker()
    for result, n in (("hit", 8), ("write_through", 4), ("miss", 1)):
        worker.cache.labels(result).inc(n)
    assert cache_hits_and_misses(parse_metrics(worker.text()).totals) == (12, 1)


def test_a_quantile_is_interpolated_in_its_bucket_with_the_edges_as_bounds() -> None:
    observed = Observed(((0.001, 50.0), (0.005, 90.0), (0.01, 100.0), (math.inf, 100.0)), 100.0, 0.3)
    assert observed.bracket(0.95) == (0.005, 0.01)
    assert observed.quantile(0.95) == pytest.approx(0.0075)
    assert observed.bracket(0.5) == (0.0, 0.001)
    assert observed.quantile(0.5) == pytest.approx(0.001)
    assert Observed().quantile(0.99) is None


def test_a_quantile_beyond_the_last_edge_is_infinite_not_the_last_edge() -> None:
    observed = Observed(((0.01, 98.0), (math.inf, 100.0)), 100.0, 9.0)
    assert observed.quantile(0.99) == math.inf
    assert observed.bracket(0.99) == (0.01, math.inf)


def test_histograms_with_different_edges_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="different bucket edges"):
        Observed(((0.1, 1.0),), 1, 0.1).plus(Observed(((0.2, 1.0),), 1, 0.1))


def test_an_invalid_prometheus_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"(?i)invalid|<html"):
        MetricsAccumulator().add_scrape("1", "<html>503</html>")


def test_an_interval_contains_its_changes() -> None:
    worker = Worker()
    worker.cache.labels("hit").inc(10)
    worker.events.labels("audit", "memory").observe(0.05)
    before = parse_metrics(worker.text()).totals
    worker.cache.labels("hit").inc(3)
    worker.cache.labels("miss").inc(1)
    worker.events.labels("audit", "memory").observe(0.0005)
    sample = measure_interval(2.0, parse_metrics(worker.text()).totals, before)
    assert (sample.at_s, sample.values["cache_hits"], sample.values["cache_misses"]) == (2.0, 3, 1)
    assert sample.values["events"] == 1
    assert sample.values["event_p99_ms"] <= 1.0


def test_an_interval_without_events_has_no_latency() -> None:
    sample = measure_interval(1.0, MetricsTotals(), MetricsTotals())
    assert "event_p99_ms" not in sample.values
