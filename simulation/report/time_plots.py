"""Plots over the time of the drive, with faults and restarts: latency, throughput, cache hits and event latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from simulation.model.result import RunResult
from simulation.report.axes import draw_milliseconds_axis
from simulation.report.facts import OUTCOMES, Window
from simulation.report.svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_latency(windows: Sequence[Window], result: RunResult) -> Callable[[Axes], None] | None:
    """Return the plot of the latency over time."""
    points = [((window.from_s + window.to_s) / 2, window.latency_ms) for window in windows if window.latency_ms]
    if not points:
        return None

    def draw(axes: Axes) -> None:
        at = [start for start, _ in points]
        axes.plot(at, [times.p99 for _, times in points], color=COLOURS["p99"], label="p99")
        axes.plot(at, [times.p95 for _, times in points], color=COLOURS["p95"], label="p95")
        axes.plot(at, [times.p50 for _, times in points], color=COLOURS["p50"], label="p50")
        draw_milliseconds_axis(axes, "y")
        _draw_time_axis(axes, result)

    return draw


def plot_throughput(windows: Sequence[Window], result: RunResult) -> Callable[[Axes], None] | None:
    """Return the plot of the answers per second over time, by outcome."""
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
        _draw_time_axis(axes, result)

    return draw


def plot_hit_ratio(result: RunResult) -> Callable[[Axes], None] | None:
    """Return the plot of the cache hit ratio over time."""
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
        _draw_time_axis(axes, result)

    return draw


def plot_event_latency(result: RunResult) -> Callable[[Axes], None] | None:
    """Return the plot of the event latency over time."""
    points = [(s.at_s, s.values) for s in result.metrics if "event_p99_ms" in s.values and "event_p50_ms" in s.values]
    if not points:
        return None

    def draw(axes: Axes) -> None:
        for name in ("p99", "p50"):
            heights = [values[f"event_{name}_ms"] for _, values in points]
            axes.plot([at for at, _ in points], heights, color=COLOURS[name], label=name)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("ms")
        _draw_time_axis(axes, result)

    return draw


def _draw_time_axis(axes: Axes, result: RunResult) -> None:
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
            begin_s, end_s, color=COLOURS["fault"], alpha=0.3, linewidth=0, zorder=3, label=_first_label("fault", nth)
        )
        for edge_s in (begin_s, end_s):
            axes.axvline(edge_s, color=COLOURS["fault"], linewidth=0.8, zorder=3)
    for nth, restart in enumerate(result.worker_restarts):
        label = _first_label("worker restarted", nth)
        axes.axvline(restart.at_s, color=COLOURS["soft"], linewidth=1, linestyle=(0, (1, 2)), label=label)


def _first_label(label: str, nth: int) -> str | None:
    """Return the label for the first of several equal things, and None for the others, so the legend has it once."""
    return label if nth == 0 else None
