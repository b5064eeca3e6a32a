"""Plots of distributions: latency of operations, cached and uncached reads, and histograms of the bank."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from simulation.model.metrics import Histogram
from simulation.model.numbers import number
from simulation.report.axes import draw_milliseconds_axis
from simulation.report.facts import OperationFacts
from simulation.report.svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_operations(facts: Sequence[OperationFacts]) -> Callable[[Axes], None] | None:
    """Return the plot of the latency of each operation."""
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
        draw_milliseconds_axis(axes, "x")

    return draw


def plot_arms(facts: Sequence[OperationFacts]) -> Callable[[Axes], None] | None:
    """Return the plot of the service time of cached and uncached reads."""
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
        draw_milliseconds_axis(axes, "x")

    return draw


def plot_buckets(histograms: dict[str, Histogram], bound_ms: float) -> Callable[[Axes], None] | None:
    """Return the plot of histograms, with the bound of their criterion."""
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
