"""The plots of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.model.metrics import DATABASE_TIME, EVENT_LATENCY
from simulation.model.result import RunResult
from simulation.report.distribution_plots import plot_arms, plot_buckets, plot_operations
from simulation.report.facts import by_arm, by_operation, timeline
from simulation.report.svg import Key, draw_svg
from simulation.report.time_plots import plot_event_latency, plot_hit_ratio, plot_latency, plot_throughput

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: inline SVG, title, caption and legend.

    The legend is text of the page and not of the SVG, because the width of the font is not known in the SVG.
    """

    name: str
    title: str
    caption: str
    svg: str
    legend: tuple[Key, ...]


def draw_plots(result: RunResult) -> tuple[Plot, ...]:
    """Return all plots for which the run has numbers."""
    windows = timeline(result.samples, result.driven_s)
    width = f"{windows[0].to_s - windows[0].from_s:g} s" if windows else ""
    events = result.totals.histogram(EVENT_LATENCY, path="memory")
    drawings: list[tuple[str, str, str, Callable[[Axes], None] | None]] = [
        (
            "operations",
            "Latency of each operation",
            "From the intended start to the answer, 50th, 95th and 99th percentile, logarithmic.",
            plot_operations(by_operation(result.samples)),
        ),
        (
            "arms",
            "Cached and uncached",
            "The same reads with and without the cache, interleaved: sending to answer, 50th (number), 95th, 99th.",
            plot_arms(by_arm(result.samples)),
        ),
        (
            "latency",
            "Latency over time",
            f"Of requests with an intended start in each {width}, logarithmic. A stall affects all waiting requests.",
            plot_latency(windows, result),
        ),
        (
            "throughput",
            "Throughput over time",
            f"Requests answered per second, by outcome, in windows of {width}.",
            plot_throughput(windows, result),
        ),
        (
            "hits",
            "Cache hit ratio over time",
            "Hits in per cent of the reads that may use the cache, between two samples of the bank's metrics.",
            plot_hit_ratio(result),
        ),
        (
            "event_latency",
            "Event latency, all events",
            "Commit to handler start, share of events in each bucket of the bank's histogram.",
            plot_buckets({"events through memory": events}, 10.0),
        ),
        (
            "event_latency_over_time",
            "Event latency over time",
            "Commit to handler start, between two samples of the bank's metrics.",
            plot_event_latency(result),
        ),
        (
            "database",
            "Database time of reads",
            "Share of the reads of each kind in each bucket of the bank's histogram.",
            plot_buckets(
                {
                    "cache hit": result.totals.histogram(DATABASE_TIME, cache="hit"),
                    "miss": result.totals.histogram(DATABASE_TIME, cache="miss"),
                    "cache bypassed": result.totals.histogram(DATABASE_TIME, cache="bypass"),
                },
                50.0,
            ),
        ),
    ]
    return tuple(
        Plot(name, title, caption, *draw_svg(name, title, draw))
        for name, title, caption, draw in drawings
        if draw is not None
    )
