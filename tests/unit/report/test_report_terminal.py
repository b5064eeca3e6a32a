"""The report in the terminal at the end of a run."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from simulation.model.numbers import number
from simulation.model.result import CheckResult, CoverageItem, CriterionResult, RunResult, Verdict
from simulation.report.terminal import open_console, print_verdict
from simulation.report.wording import first_trouble, headline, span


def printed(result: RunResult, width: int = 120, files: tuple[Path, ...] = ()) -> str:
    stream = io.StringIO()
    print_verdict(result, Console(file=stream, width=width), files)
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_criterion_has_target_value_and_verdict_in_words(failed_run: RunResult) -> None:
    text = printed(failed_run)
    line = next(line for line in text.splitlines() if "Cache hit ratio" in line)
    assert flat(line) == "✓ PASS Cache hit ratio of frequently accessed data at least 80 % 88.8 % 87.2 to 90.1 % 1,815"
    line = next(line for line in text.splitlines() if "Event processing" in line)
    assert flat(line).startswith("✗ FAIL")
    assert "below 10 ms 38.9 ms 25 to 50 ms" in flat(line)


def test_every_check_shows_its_number_of_examined_items_and_the_first_violation(failed_run: RunResult) -> None:
    text = printed(failed_run, width=200)
    assert "✗ FAIL No money appears or vanishes 1,412 3" in flat(text)
    assert 'first: at 11.204 s <Ana & João> "read"' in flat(text)
    assert "? UNKNOWN What was acknowledged is still there 0 none nobody asked" in flat(text)


def test_missing_coverage_is_unknown(failed_run: RunResult) -> None:
    assert "? UNKNOWN A worker taken over by another never" in flat(printed(failed_run))


def test_the_last_lines_are_verdict_first_problem_replay_command_and_files(failed_run: RunResult) -> None:
    lines = printed(failed_run, 200, (Path("out/report.html"), Path("out/report.json"))).splitlines()[-4:]
    assert lines[0] == "✗ FAIL  1 of 6 safety checks failed and 1 of 4 success criteria missed."
    assert lines[1].startswith("First problem: No money appears or vanishes: at 11.204 s")
    assert lines[2] == f"Replay: {failed_run.replay_command}"
    assert lines[3] == "Report: out/report.html, out/report.json"


def test_a_passed_run_names_no_problem(passed_run: RunResult) -> None:
    text = printed(passed_run)
    assert "First problem" not in text
    assert "✓ PASS  Every safety check passed, and every success criterion was met." in text


def test_the_replay_command_is_one_line_on_a_narrow_terminal(failed_run: RunResult) -> None:
    text = printed(failed_run, width=60)
    assert f"Replay: {failed_run.replay_command}\n" in text
    assert all(len(line) <= 60 for line in text.splitlines() if not line.startswith(("Replay", "Report")))


def test_square_brackets_are_printed_as_text(passed_run: RunResult) -> None:
    check = CheckResult("x", "Balance of [bold]Ana[/bold]", Verdict.FAIL, 1, 1, ("[/red] saw [1, 2]",), "[note]")
    held = CheckResult("y", "Nothing [green]odd[/green]", Verdict.PASS, 1, 0)
    text = printed(replace(passed_run, checks=(check, held), notes=("[a note]",), replay_command="run [x]"))
    for expected in ("[bold]Ana[/bold]", "[green]odd[/green]", "[/red] saw [1, 2]", "[note]", "[a note]", "run [x]"):
        assert expected in text


def test_an_ascii_terminal_shows_every_word(monkeypatch: pytest.MonkeyPatch, failed_run: RunResult) -> None:
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
        console = open_console()
    print_verdict(failed_run, console)
    console.file.flush()
    assert b"FAIL  1 of 6 safety checks failed" in raw.getvalue()


def criterion(verdict: Verdict, *, required: bool = True) -> CriterionResult:
    return CriterionResult("x", "X", "1", "ms", "below 10 ms", 12.0, 300, verdict, "so", required=required)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"checks": ()}, "Nothing failed, but no safety check examined the run."),
        ({"coverage": (CoverageItem("x", "X", 0),)}, "1 required item of coverage not seen."),
        ({"criteria": (criterion(Verdict.UNKNOWN),)}, "Nothing failed, but: 1 result undecided."),
        ({"criteria": (criterion(Verdict.FAIL),)}, "1 of 1 success criterion missed."),
        (
            {"criteria": (criterion(Verdict.UNKNOWN, required=False), criterion(Verdict.PASS))},
            "Every safety check passed. Of the success criteria, 1 counts in this scenario and was met.",
        ),
        (
            {"criteria": (criterion(Verdict.FAIL, required=False),)},
            "Every safety check passed. The scenario measures no success criterion.",
        ),
    ],
)
def test_the_headline_names_the_reason_for_the_verdict(
    passed_run: RunResult, change: dict[str, object], sentence: str
) -> None:
    run = replace(passed_run, **change)  # type: ignore[arg-type]  # any field of a run
    assert headline(run).endswith(sentence)


def test_an_informational_criterion_is_shown(passed_run: RunResult) -> None:
    text = printed(replace(passed_run, criteria=(criterion(Verdict.FAIL, required=False),)))
    assert "- for information X below 10 ms 12 ms" in flat(text)
    assert "FAIL" not in text
    assert "First problem" not in text


def test_failed_checks_are_named_before_missed_targets_and_unknown_results(failed_run: RunResult) -> None:
    assert first_trouble(failed_run).startswith("No money appears")
    criteria_only = replace(failed_run, checks=failed_run.checks[1:])
    assert "38.9 ms measured, target below 10 ms" in first_trouble(criteria_only)
    doubt = replace(criteria_only, criteria=())
    assert first_trouble(doubt) == "What was acknowledged is still there: nobody asked"
    unseen = replace(doubt, checks=failed_run.checks[1:3])
    assert first_trouble(unseen).startswith("A worker taken over by another: not seen")


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.00123, "0.00123"), (6.2249, "6.22"), (99.94, "99.9"), (1411.6, "1,412"), (float("inf"), "∞")],
)
def test_numbers_have_three_figures(value: float, words: str) -> None:
    assert number(value) == words


def test_an_unbounded_interval_is_described() -> None:
    endless = replace(criterion(Verdict.FAIL), interval=(100.0, float("inf")))
    assert span(endless) == "above 100 ms"
