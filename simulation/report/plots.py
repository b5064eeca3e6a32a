"""The plots of the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.model.metrics import DATABASE_TIME, EVENT_LATENCY, Histogram
from simulation.model.numbers import number
from simulation.model.result import RunResult
from simulation.report.facts import OUTCOMES, OperationFacts, Window, by_arm, by_operation, timeline
from simulation.report.svg import COLOURS, Key, draw_svg

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
            _operations(by_operation(result.samples)),
        ),
        (
            "arms",
            "Cached and uncached",
            "The same reads with and without the cache, interleaved: sending to answer, 50th (number), 95th, 99th.",
            _arms(by_arm(result.samples)),
        ),
        (
            "latency",
            "Latency over time",
            f"Of requests with an intended start in each {width}, logarithmic. A stall affects all waiting requests.",
            _latency(windows, result),
        ),
        (
            "throughput",
            "Throughput over time",
            f"Requests answered per second, by outcome, in windows of {width}.",
            _throughput(windows, result),
        ),
        (
            "hits",
            "Cache hit ratio over time",
            "Hits in per cent of the reads that may use the cache, between two samples of the bank's metrics.",
            _hits(result),
        ),
        (
            "event_latency",
            "Event latency, all events",
            "Commit to handler start, share of events in each bucket of the bank's histogram.",
            _buckets({"events through memory": events}, 10.0),
        ),
        (
            "event_latency_over_time",
            "Event latency over time",
            "Commit to handler start, between two samples of the bank's metrics.",
            _events(result),
        ),
        (
            "database",
            "Database time of reads",
            "Share of the reads of each kind in each bucket of the bank's histogram.",
            _buckets(
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


def _operations(facts: Sequence[OperationFacts]) -> Callable[[Axes], None] | None:
    if not facts:
        return None

    def draw(axes: Axes) -> None:
        for row, fact in enumerate(reversed(facts)):
            times = fact.latency_ms
            axes.hlines(row, times.p50, times.p99, color=COLOURS["line"], linewidth=5, zorder=1)
            for name, value in (("p99", times.p99), ("p95", times.p95), ("p50", times.p50)):
                axes.plot(
                    value, row, "o", color=COLOURS[name], markersize=7, label=name if row == 0 else None, zorder=2
                )
        axes.set_yticks(range(len(facts)), [fact.operation for fact in reversed(facts)])
        axes.grid(visible=False, axis="y")
        _milliseconds(axes, "x")

    return draw


def _arms(facts: Sequence[OperationFacts]) -> Callable[[Axes], None] | None:
    if not facts:
        return None
    operations = sorted({fact.operation for fact in facts}, reverse=True)

    def draw(axes: Axes) -> None:
        for fact in facts:
            arm = fact.arm or "uncached"
            row = operations.index(fact.operation) + (0.17 if arm == "cached" else -0.17)
            times, colour = fact.service_ms, COLOURS[arm]
            label = arm if fact.operation == operations[0] else None
            axes.hlines(row, times.p50, times.p99, color=colour, linewidth=2, alpha=0.45)
            axes.plot(times.p50, row, "o", color=colour, markersize=7, label=label)
            axes.plot([times.p95, times.p99], [row, row], "|", color=colour, markersize=9, markeredgewidth=2)
            axes.annotate(
                number(times.p50),
                (times.p50, row),
                (-7, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                color=COLOURS["soft"],
                fontsize=9,
            )
        axes.set_yticks(range(len(operations)), operations)
        axes.set_ylim(-0.6, len(operations) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        _milliseconds(axes, "x")

    return draw


def _latency(windows: Sequence[Window], result: RunResult) -> Callable[[Axes], None] | None:
    points = [((window.from_s + window.to_s) / 2, window.latency_ms) for window in windows if window.latency_ms]
    if not points:
        return None

    def draw(axes: Axes) -> None:
        at = [start for start, _ in points]
        axes.plot(at, [times.p99 for _, times in points], color=COLOURS["p99"], label="p99")
        axes.plot(at, [times.p95 for _, times in points], color=COLOURS["p95"], label="p95")
        axes.plot(at, [times.p50 for _, times in points], color=COLOURS["p50"], label="p50")
        _milliseconds(axes, "y")
        _over_time(axes, result)

    return draw


def _throughput(windows: Sequence[Window], result: RunResult) -> Callable[[Axes], None] | None:
    if not windows:
        return None
    shown = [name for name in OUTCOMES if any(window.completed[name] for window in windows)]

    def draw(axes: Axes) -> None:
        at = [window.from_s for window in windows] + [windows[-1].to_s]
        floor = [0.0] * len(windows)
        for name in shown:
            rates = [window.completed[name] / (window.to_s - window.from_s) for window in windows]
            top = [low + rate for low, rate in zip(floor, rates, strict=True)]
            label = {"ok": "answered", "error": "errors"}.get(name, name)
            axes.stairs(top, at, baseline=floor, fill=True, color=COLOURS[name], label=label, linewidth=0)
            floor = top
        axes.set_ylim(0, max(floor) * 1.15 or 1)
        axes.set_ylabel("requests per second")
        _over_time(axes, result)

    return draw


def _hits(result: RunResult) -> Callable[[Axes], None] | None:
    points = []
    for sample in result.metrics:
        hits, misses = sample.values.get("cache_hits", 0.0), sample.values.get("cache_misses", 0.0)
        if hits + misses > 0:
            points.append((sample.at_s, 100 * hits / (hits + misses)))
    if not points:
        return None
    target = next((c.target for c in result.criteria if c.id == "cache_hit_ratio"), "at least 80 %")

    def draw(axes: Axes) -> None:
        axes.axhline(80, color=COLOURS["bound"], linewidth=1.2, linestyle=(0, (4, 3)), label=f"target: {target}")
        axes.plot([at for at, _ in points], [ratio for _, ratio in points], color=COLOURS["cached"], label="hit ratio")
        axes.set_ylim(0, 104)
        axes.set_ylabel("%")
        _over_time(axes, result)

    return draw


def _events(result: RunResult) -> Callable[[Axes], None] | None:
    points = [(s.at_s, s.values) for s in result.metrics if "event_p99_ms" in s.values and "event_p50_ms" in s.values]
    if not points:
        return None

    def draw(axes: Axes) -> None:
        for name in ("p99", "p50"):
            heights = [values[f"event_{name}_ms"] for _, values in points]
            axes.plot([at for at, _ in points], heights, color=COLOURS[name], label=name)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("ms")
        _over_time(axes, result)

    return draw


def _buckets(histograms: dict[str, Histogram], bound_ms: float) -> Callable[[Axes], None] | None:
    found = {name: histogram for name, histogram in histograms.items() if histogram.count > 0}
    if not found:
        return None
    shares = {name: _shares(histogram) for name, histogram in found.items()}
    edges = [edge for edge, _ in next(iter(found.values())).buckets]
    used = [i for i in range(len(edges)) if any(share[i] > 0 for share in shares.values())]
    # The range ends at the last used bucket or at the bound, so the distance to the bound is visible.
    at_bound = next((i for i, edge in enumerate(edges) if edge * 1000 >= bound_ms), used[-1])
    shown = range(used[0], max(used[-1], at_bound) + 1)
    colours = [COLOURS[name] for name in ("cached", "p99", "uncached")]

    def draw(axes: Axes) -> None:
        thickness = 0.8 / len(shares)
        for turn, (name, share) in enumerate(shares.items()):
            at = [place + (turn - (len(shares) - 1) / 2) * thickness for place in range(len(shown))]
            axes.bar(at, [share[i] for i in shown], thickness * 0.92, color=colours[turn], label=name)
        axes.axvline(
            at_bound - shown[0] + 0.5,
            color=COLOURS["bound"],
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            label=f"bound: {bound_ms:g} ms",
        )
        axes.set_xticks(range(len(shown)), [_bucket_name(edges, i) for i in shown])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("ms, up to")
        axes.set_ylabel("%")

    return draw


def _shares(histogram: Histogram) -> list[float]:
    below, shares = 0.0, []
    for _, cumulative in histogram.buckets:
        shares.append(100 * (cumulative - below) / histogram.count)
        below = cumulative
    return shares


def _bucket_name(edges: Sequence[float], index: int) -> str:
    return "more" if math.isinf(edges[index]) else f"{edges[index] * 1000:g}"


def _milliseconds(axes: Axes, which: str) -> None:
    """Make an axis logarithmic, with plain numbers as labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - as in svg.py

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlabel if which == "x" else axes.set_ylabel)("ms")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def _over_time(axes: Axes, result: RunResult) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as in svg.py

    axes.set_xlim(0, result.driven_s)
    axes.set_xlabel("seconds since driving began")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
    for nth, fault in enumerate(fault for fault in result.faults if fault.began_s is not None):
        begin_s = fault.began_s or 0.0
        # A minimum width makes a very short fault visible.
        end_s = max(fault.ended_s or begin_s, begin_s + result.driven_s / 300)
        # In front of areas and with edges, so it is visible in the light and the dark style.
        axes.axvspan(
            begin_s, end_s, color=COLOURS["fault"], alpha=0.3, linewidth=0, zorder=3, label=_once("fault", nth)
        )
        for edge_s in (begin_s, end_s):
            axes.axvline(edge_s, color=COLOURS["fault"], linewidth=0.8, zorder=3)
    for nth, restart in enumerate(result.worker_restarts):
        label = _once("worker restarted", nth)
        axes.axvline(restart.at_s, color=COLOURS["soft"], linewidth=1, linestyle=(0, (1, 2)), label=label)


def _once(label: str, nth: int) -> str | None:
    """Return the label for the first of several equal things, and None for the others, so the legend has it once."""
    return label if nth == 0 else None
