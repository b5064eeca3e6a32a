"""The parts of a report about faults."""

import io
from dataclasses import replace
from xml.etree import ElementTree as ET

from rich.console import Console

from simulation.model.result import RunResult, Verdict
from simulation.report.document import build_document
from simulation.report.html import render_page
from simulation.report.junit import render_junit
from simulation.report.plots import draw_plots
from simulation.report.terminal import print_verdict
from simulation.report.wording import headline

OVER_TIME = {"latency", "throughput", "hits", "event_latency_over_time"}


def printed(result: RunResult) -> str:
    stream = io.StringIO()
    print_verdict(result, Console(file=stream, width=160))
    return " ".join(stream.getvalue().split())


def test_the_terminal_shows_the_time_and_the_recovery_of_each_fault(
    run_with_faults: RunResult,
) -> None:
    text = printed(run_with_faults)
    assert "✓ PASS 4.0 to 6.0 s PostgreSQL is slow: as planned 23 - 0.4 s" in text
    assert "✓ PASS 17.0 s A worker of the bank is killed: as planned 23 1.4 s 3.2 s" in text


def test_a_report_without_faults_has_no_section_about_them(passed_run: RunResult) -> None:
    assert "Faults" not in printed(passed_run)
    assert "<h2>Faults" not in render_page(passed_run)
    assert "Faults" not in render_junit(passed_run)
    assert build_document(passed_run)["faults"] == []


def test_the_verdict_of_a_fault_depends_on_the_recovery_and_not_on_speed(run_with_faults: RunResult) -> None:
    assert headline(run_with_faults) == "Every safety check passed, and the service recovered from each of 3 faults."
    page = render_page(run_with_faults)
    assert page.count("for information with faults") == len(run_with_faults.criteria)
    assert "in this scenario" not in page


def test_the_page_has_a_row_for_each_fault(run_with_faults: RunResult) -> None:
    page = " ".join(render_page(run_with_faults).split())
    assert "<h2>Faults" in page
    for fault in run_with_faults.faults:
        assert fault.title in page
    assert '<td class="n" data-label="When">24.0 to 26.0 s</td>' in page
    assert '<td class="n" data-label="Takeover">1.4 s</td>' in page
    assert '<td class="n" data-label="Back after">3.2 s</td>' in page


def test_the_plots_over_time_mark_the_faults(run_with_faults: RunResult, passed_run: RunResult) -> None:
    marked = {plot.name for plot in draw_plots(run_with_faults) if "var(--fault)" in plot.svg}
    assert marked == OVER_TIME
    assert not any("var(--fault)" in plot.svg for plot in draw_plots(passed_run))
    latency = next(plot for plot in draw_plots(run_with_faults) if plot.name == "latency")
    assert [key.label for key in latency.legend].count("fault") == 1


def test_junit_has_a_case_with_the_verdict_of_each_fault(run_with_faults: RunResult) -> None:
    slow, *rest = run_with_faults.faults
    late = replace(slow, verdict=Verdict.FAIL, back_s=None, note="nobody saw the service back")
    never = replace(rest[1], verdict=Verdict.UNKNOWN, began_s=None, ended_s=None, seen=0, note="never happened")
    root = ET.fromstring(render_junit(replace(run_with_faults, faults=(late, rest[0], never))))  # noqa: S314 - ours
    suite = next(suite for suite in root if suite.get("name") == "first_day: Faults")
    failed, passed, unknown = suite.findall("testcase")
    failure = failed.find("failure")
    assert failure is not None
    assert "the service was not seen back" in (failure.get("message") or "")
    assert "nobody saw the service back" in (failure.text or "")
    assert "taken over after 1.4 s" in (passed.findtext("system-out") or "")
    assert unknown.find("error") is not None
    assert unknown.get("name") == "Replies to COMMIT are lost (23.9 s, planned)"


def test_the_json_has_every_field_of_a_fault(run_with_faults: RunResult) -> None:
    faults = build_document(run_with_faults)["faults"]
    assert isinstance(faults, list)
    assert [fault["name"] for fault in faults] == ["database_slow", "worker_kill", "commit_reply_cut"]
    assert (faults[1]["back_s"], faults[1]["takeover_s"], faults[1]["hurt"]) == (3.2, 1.4, 23)
