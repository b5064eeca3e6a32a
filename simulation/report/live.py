"""The display of a run's progress: live on a terminal, and as plain lines in a log.

The run records steps and requests in a `Progress`, and views read it from a separate thread. All output goes to the
console of the caller, which is standard error if standard output is for a program.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from simulation.model.progress import Progress

LOG_EVERY_S = 5.0
"""Seconds between lines in a log: a run of a minute fits on one screen, and no CI system considers it hung."""

REFRESH_PER_S = 4
"""Updates per second: more would take processor time from the measured system."""


@contextmanager
def open_progress(console: Console | None, title: str) -> Iterator[Progress]:
    """Show the progress of a run on `console`: live on a terminal, otherwise in lines, and not at all if it is None."""
    progress = Progress(title)
    if console is None:
        view = _no_view()
    elif console.is_terminal and not console.is_dumb_terminal:
        view = _live_view(console, progress)
    else:
        view = _log_view(console, progress)
    with view:
        try:
            yield progress
        except BaseException:
            progress.finish(failed=True)
            raise
        progress.finish()


@contextmanager
def _no_view() -> Iterator[None]:
    yield


@contextmanager
def _live_view(console: Console, progress: Progress) -> Iterator[None]:
    display = Display(progress)
    with Live(get_renderable=display.draw, console=console, refresh_per_second=REFRESH_PER_S, redirect_stdout=False):
        yield


class Display:
    """A display of a `Progress` for a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._spinner = Spinner("dots", style="cyan")

    def draw(self) -> RenderableType:
        """Return the current state of the display."""
        progress = self._progress
        with progress.changed:
            grid = Table.grid(padding=(0, 2))
            for justify in ("left", "left", "right"):
                grid.add_column(justify="right" if justify == "right" else "left", no_wrap=True)
            grid.add_column()
            for step in progress.steps:
                under_way = step.ended_s is None
                mark: RenderableType = self._spinner
                if not under_way:
                    mark = Text("✗", style="bold red") if step.failed else Text("✓", style="green")
                share = progress.share() if under_way else None
                tail: RenderableType = Text(step.detail, style="dim")
                if share is not None:
                    tail = ProgressBar(total=1.0, completed=share, width=32, complete_style="cyan")
                title = Text(step.title, style="bold" if under_way else "")
                grid.add_row(mark, title, Text(progress.how_far(step), style="dim"), tail)
            parts: list[RenderableType] = [Text(progress.title, style="dim"), grid]
            if progress.driving:
                parts.append(Text(f"   {progress.numbers()}"))
                parts.append(Text(f"   {progress.sparks(60)}", style="cyan"))
            return Group(*parts)


@contextmanager
def _log_view(console: Console, progress: Progress) -> Iterator[None]:
    over = threading.Event()
    log = Log(console, progress)
    thread = threading.Thread(target=log.run, args=(over,), name="progress-log", daemon=True)
    console.print(Text(progress.title), soft_wrap=True)
    thread.start()
    try:
        yield
    finally:
        with progress.changed:
            over.set()
            progress.changed.notify_all()
        thread.join()
        log.run_once()


class Log:
    """A printer of a line for the start and the end of every step, and every `LOG_EVERY_S` for the current step."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._begun = 0
        self._ended = 0

    def run(self, over: threading.Event) -> None:
        """Print until `over` is set."""
        while not over.is_set():
            if not self._wait_for_more(self.run_once(), over):
                self._print(f"  {self._progress.line()}")

    def _wait_for_more(self, seen: int, over: threading.Event) -> bool:
        with self._progress.changed:
            return self._progress.changed.wait_for(
                lambda: over.is_set() or self._progress.changes != seen, timeout=LOG_EVERY_S
            )

    def run_once(self) -> int:
        """Print the steps that began or ended since the last call, and return the number of changes so far."""
        with self._progress.changed:
            seen, lines = self._progress.changes, []
            for number, step in enumerate(self._progress.steps, start=1):
                if number > self._begun:
                    self._begun = number
                    lines.append(f"  {step.title} ...")
                if step.ended_s is not None and number > self._ended:
                    self._ended = number
                    word = "failed after" if step.failed else "done in"
                    detail = f" ({step.detail})" if step.detail else ""
                    lines.append(f"  {step.title}: {word} {self._progress.how_far(step)}{detail}")
        for line in lines:
            self._print(line)
        return seen

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
