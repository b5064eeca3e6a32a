"""The display of the progress during a run."""

import io
import threading

import pytest
from rich.console import Console

from simulation.model.attempts import Outcome
from simulation.model.progress import Progress
from simulation.model.result import OperationSample
from simulation.report.live import Display, Log, open_progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def request(latency_ms: float = 5.0, outcome: Outcome = "ok") -> OperationSample:
    return OperationSample("Me", None, "drive", 0.0, latency_ms, latency_ms, outcome)


def displayed_text(progress: Progress, width: int = 120) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(Display(progress).draw())
    return stream.getvalue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress("first_day, seed 42", clock=clock)


def test_a_step_ends_when_the_next_begins(progress: Progress, clock: Clock) -> None:
    progress.step("Migrating")
    clock.now_s += 2.5
    progress.step("Starting the bank")
    clock.now_s += 9
    assert [progress.how_far(step) for step in progress.steps] == ["2.5 s", "9.0 s"]


def test_a_step_with_a_total_says_how_many_are_done(progress: Progress) -> None:
    progress.step("Setting up people", total=60)
    progress.advance(15)
    assert progress.line() == "Setting up people  15/60"
    assert progress.share() == 0.25


def test_driving_shows_time_rate_latency_hits_and_outcomes(progress: Progress, clock: Clock) -> None:
    progress.drive(30)
    for _ in range(10):
        clock.now_s += 1
        progress.record([request(5)] * 39 + [request(200, "refused")])
    progress.cache(90, 10)
    expected = "Driving  10/30 s  400 requests · 40/s · p50 5 ms · p99 200 ms · 90 % hits · 10 refused · 0 unknown"
    assert progress.line().startswith(expected)
    assert progress.share() == pytest.approx(1 / 3)


def test_a_stall_reduces_the_displayed_rate(progress: Progress, clock: Clock) -> None:
    progress.drive(30)
    clock.now_s += 1
    progress.record([request()] * 100)
    clock.now_s += 7
    assert " 0/s " in progress.numbers()


def test_the_numbers_of_the_drive_stay_after_its_end(progress: Progress, clock: Clock) -> None:
    progress.drive(30)
    progress.record([request()] * 7)
    clock.now_s += 30
    progress.step("Draining")
    assert "7 requests" in displayed_text(progress)
    assert not progress.driving


def test_requests_of_the_setup_are_not_counted(progress: Progress) -> None:
    progress.step("Setting up people")
    progress.record([request()] * 60)
    progress.drive(30)
    assert progress.numbers().startswith("0 requests")


def test_bars_show_each_full_second(progress: Progress, clock: Clock) -> None:
    progress.drive(30)
    for count in (10, 0, 5, 99):
        progress.record([request()] * count)
        clock.now_s += 1
    assert progress.sparks(60) == "█▁▅"
    assert progress.sparks(2) == "▁█"


def test_the_display_marks_completed_and_failed_steps(progress: Progress) -> None:
    progress.step("Migrating")
    progress.step("Starting the bank")
    progress.detail("port 8080")
    progress.finish(failed=True)
    text = displayed_text(progress)
    assert "✓  Migrating" in text
    assert "✗  Starting the bank" in text
    assert "port 8080" in text


def test_the_display_fits_a_narrow_terminal(progress: Progress) -> None:
    progress.step("Starting PostgreSQL and Valkey")
    progress.drive(30)
    progress.record([request()] * 7)
    assert all(len(line) <= 60 for line in displayed_text(progress, 60).splitlines())


def test_a_log_has_a_line_for_the_begin_and_the_end_of_each_step(progress: Progress, clock: Clock) -> None:
    stream = io.StringIO()
    log = Log(Console(file=stream, width=120), progress)
    progress.step("Migrating")
    log.run_once()
    log.run_once()
    clock.now_s += 2
    progress.step("Starting the bank")
    log.run_once()
    progress.finish(failed=True)
    log.run_once()
    assert stream.getvalue().splitlines() == [
        "  Migrating ...",
        "  Migrating: done in 2.0 s",
        "  Starting the bank ...",
        "  Starting the bank: failed after 0.0 s",
    ]


def test_a_long_step_has_a_line_at_intervals(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulation.report.live.LOG_EVERY_S", 0.01)
    over, stream = threading.Event(), io.StringIO()
    progress.step("Setting up people", total=60)

    class Lines(Log):
        """A log that ends the display at the second line of the current step."""

        def _print(self, line: str) -> None:
            super()._print(line)
            if stream.getvalue().count("0/60") == 2:
                over.set()

    Lines(Console(file=stream, width=120), progress).run(over)
    lines = stream.getvalue().splitlines()
    assert lines == ["  Setting up people ...", "  Setting up people  0/60", "  Setting up people  0/60"]


def test_output_without_a_terminal_has_no_control_sequences() -> None:
    stream = io.StringIO()
    with open_progress(Console(file=stream, width=120), "seed 42") as progress:
        progress.step("Migrating")
        progress.drive(1)
        progress.record([request()])
    text = stream.getvalue()
    assert "\x1b" not in text
    assert text.splitlines()[0] == "seed 42"
    assert "Driving: done in" in text
    assert "(1 requests" in text


def test_the_last_frame_stays_on_a_terminal() -> None:
    stream = io.StringIO()
    with open_progress(Console(file=stream, width=120, force_terminal=True), "seed 42") as progress:
        progress.step("Migrating")
        progress.step("Judging")
    last_frame = stream.getvalue().rsplit("seed 42", 1)[1]
    assert "Migrating" in last_frame
    assert "Judging" in last_frame


def test_an_exception_is_raised_and_marks_its_step() -> None:
    stream = io.StringIO()

    def start() -> None:
        with open_progress(Console(file=stream, width=120), "seed 42") as progress:
            progress.step("Starting the bank")
            raise RuntimeError("port in use")

    with pytest.raises(RuntimeError, match="port in use"):
        start()
    assert "Starting the bank: failed after" in stream.getvalue()


def test_a_display_without_a_console_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(None, "seed 42") as progress:
        progress.step("Migrating", total=2)
        progress.advance()
        progress.drive(1)
        progress.record([request()])
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
