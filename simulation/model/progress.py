"""Progress of a run: its steps, and the requests that have ended."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulation.model.attempts import Outcome
from simulation.model.numbers import number, percentile
from simulation.model.result import OperationSample

RECENT = 1_000
"""Number of the last requests in the displayed p99: enough for a p99, and few enough to follow changes."""

RATE_WINDOW_S = 5.0
"""Seconds in the displayed rate: enough for a steady number, and few enough to show a stall."""

SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Step:
    """One step of the run: its title, its progress, and its start and end."""

    title: str
    started_s: float
    total: int | None = None
    done: int = 0
    detail: str = ""
    ended_s: float | None = None
    failed: bool = False


class Progress:
    """The progress so far. One thread may write it while another reads it."""

    def __init__(self, title: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.steps: list[Step] = []
        self.changed = threading.Condition()
        self.changes = 0
        self._clock = clock
        self._drive_s: float | None = None
        self._drive_started_s: float | None = None
        self._latencies_ms: deque[float] = deque(maxlen=RECENT)
        self._finished: deque[tuple[float, int]] = deque()
        self._counts: dict[Outcome, int] = {"ok": 0, "refused": 0, "unknown": 0, "error": 0}
        self._hits: tuple[float, float] | None = None
        self._rates: list[int] = []

    def step(self, title: str, total: int | None = None) -> None:
        """Begin a step and end the previous one. `total` is the sum of the counts of all later `advance` calls."""
        with self.changed:
            self._begin(Step(title, self._clock(), total))

    def drive(self, duration_s: float, title: str = "Driving") -> None:
        """Begin the step of the drive, whose progress is measured by time and which displays requests."""
        with self.changed:
            started_s = self._clock()
            self._begin(Step(title, started_s))
            self._drive_s, self._drive_started_s = duration_s, started_s

    def advance(self, count: int = 1) -> None:
        """Add `count` to the finished part of the step's total."""
        with self.changed:
            if self.steps:
                self.steps[-1].done += count

    def detail(self, text: str) -> None:
        """Set a text about the current step, such as a port or a restart."""
        with self.changed:
            if self.steps:
                self.steps[-1].detail = text

    def record(self, samples: Iterable[OperationSample]) -> None:
        """Record requests that were answered or given up. Requests before the drive are not counted."""
        with self.changed:
            if self._drive_started_s is None:
                return
            now, count = self._clock(), 0
            for sample in samples:
                self._latencies_ms.append(sample.latency_ms)
                self._counts[sample.outcome] += 1
                count += 1
            self._finished.append((now, count))
            if self.driving:
                second = int(now - self._drive_started_s)
                self._rates += [0] * (second + 1 - len(self._rates))
                self._rates[second] += count

    def cache(self, hits: float, misses: float) -> None:
        """Set the numbers of cache hits and misses so far."""
        with self.changed:
            self._hits = (hits, misses)

    def finish(self, *, failed: bool = False) -> None:
        """End the last step. `failed` marks it as the step in which the run ended early."""
        with self.changed:
            self._end(failed=failed)

    def _begin(self, step: Step) -> None:
        self._end(failed=False)
        self.steps.append(step)
        self._notify()

    def _notify(self) -> None:
        self.changes += 1
        self.changed.notify_all()

    def _end(self, *, failed: bool) -> None:
        if self.steps and self.steps[-1].ended_s is None:
            step = self.steps[-1]
            if self.driving:
                step.detail = " · ".join(text for text in (self.numbers(), step.detail) if text)
            step.ended_s, step.failed, self._drive_s = self._clock(), failed, None
            self._notify()

    @property
    def driving(self) -> bool:
        """Return whether the drive is running."""
        return self._drive_s is not None

    def numbers(self) -> str:
        """Return the rate, latency and outcomes of the requests in one line."""
        with self.changed:
            now = self._clock()
            while self._finished and self._finished[0][0] <= now - RATE_WINDOW_S:
                self._finished.popleft()
            since_s = min(RATE_WINDOW_S, max(now - (self._drive_started_s or 0.0), 1.0))
            parts = [f"{sum(self._counts.values()):,} requests", f"{sum(n for _, n in self._finished) / since_s:.0f}/s"]
            if self._latencies_ms:
                ascending = sorted(self._latencies_ms)
                parts += [
                    f"p50 {number(percentile(ascending, 0.5))} ms",
                    f"p99 {number(percentile(ascending, 0.99))} ms",
                ]
            if self._hits and sum(self._hits):
                parts.append(f"{100 * self._hits[0] / sum(self._hits):.0f} % hits")
            counts = self._counts
            parts += [f"{counts['refused']} refused", f"{counts['unknown']} unknown", f"{counts['error']} errors"]
            return " · ".join(parts)

    def share(self) -> float | None:
        """Return the finished share of the current step, 0 to 1; None if it is unknown."""
        if not self.steps:
            return None
        step = self.steps[-1]
        if self._drive_s:
            return min(1.0, max(0.0, (self._clock() - step.started_s) / self._drive_s))
        return min(1.0, step.done / step.total) if step.total else None

    def how_far(self, step: Step) -> str:
        """Return the progress of `step` as a text: `12/60`, `18/30 s`, or the seconds that it has taken."""
        taken_s = (step.ended_s if step.ended_s is not None else self._clock()) - step.started_s
        if self._drive_s is not None and step is self.steps[-1]:
            return f"{min(taken_s, self._drive_s):.0f}/{self._drive_s:g} s"
        return f"{step.done}/{step.total}" if step.total and step.ended_s is None else f"{taken_s:.1f} s"

    def sparks(self, columns: int) -> str:
        """Return the finished requests of the last `columns` full seconds as a line of bars."""
        rates = self._rates[:-1][-columns:]
        top = max(rates, default=0)
        return "".join(SPARKS[round(rate / top * (len(SPARKS) - 1))] for rate in rates) if top else ""

    def line(self) -> str:
        """Return the current step as one line of plain text."""
        if not self.steps:
            return self.title
        step = self.steps[-1]
        words = [step.title, self.how_far(step), self.numbers() if self.driving else "", step.detail]
        return "  ".join(word for word in words if word)
