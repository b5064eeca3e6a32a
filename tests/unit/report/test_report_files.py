"""The machine-readable files of a run, and how they are written."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from simulation.model.result import CheckResult, CoverageItem, RunResult, Verdict
from simulation.report.document import build_document, render_json
from simulation.report.junit import render_junit
from simulation.report.write import ReportError, prepare_folder, write_report


def cases(result: RunResult) -> dict[str, ET.Element]:
    root = ET.fromstring(render_junit(result))  # noqa: S314 - our own output, from a line above
    return {case.get("name", ""): case for case in root.iter("testcase")}


def test_junit_has_a_case_for_every_criterion_check_and_required_item_of_coverage(passed_run: RunResult) -> None:
    run = replace(passed_run, coverage=(*passed_run.coverage, CoverageItem("x", "Just curious", 0, required=False)))
    titles = [entry.title for entry in run.criteria] + [entry.title for entry in run.checks]
    titles += [coverage_item.title for coverage_item in run.coverage if coverage_item.required]
    assert list(cases(run)) == titles
    assert all(case.find("failure") is None and case.find("error") is None for case in cases(run).values())


def test_junit_has_failures_for_failed_and_errors_for_unknown_cases(failed_run: RunResult) -> None:
    found = cases(failed_run)
    broken = found["No money appears or vanishes"].find("failure")
    assert broken is not None
    assert "1,010.00 BRL" in (broken.text or "")
    assert found["What was acknowledged is still there"].find("error") is not None
    assert found["A worker taken over by another"].find("error") is not None
    slow = found["Event processing latency, commit to handler start, p99"].find("failure")
    assert slow is not None
    assert "target below 10 ms" in (slow.get("message") or "")


def test_junit_counts_agree_with_its_cases(failed_run: RunResult) -> None:
    root = ET.fromstring(render_junit(failed_run))  # noqa: S314 - our own output, from a line above
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("16", "2", "2")
    for suite in root:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))


def test_junit_has_the_command_that_repeats_the_run(passed_run: RunResult) -> None:
    root = ET.fromstring(render_junit(passed_run))  # noqa: S314 - our own output, from a line above
    properties = {entry.get("name"): entry.get("value") for entry in root.iter("property")}
    assert properties["replay_command"] == passed_run.replay_command
    assert (properties["seed"], properties["plan_hash"], properties["verdict"]) == ("42", "9f3ab2c41d07", "PASS")


def test_junit_agrees_with_the_exit_code_of_a_run_without_checks(passed_run: RunResult) -> None:
    assert cases(replace(passed_run, checks=()))["Safety checks"].find("error") is not None


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_junit_skips_an_informational_criterion(passed_run: RunResult, verdict: Verdict) -> None:
    aside = replace(passed_run.criteria[0], verdict=verdict, required=False)
    run = replace(passed_run, criteria=(aside, *passed_run.criteria[1:]))
    skipped = cases(run)[aside.title].find("skipped")
    assert skipped is not None
    assert "69.8 % measured, target at least 50 %" in (skipped.get("message") or "")
    assert run.exit_code == 0


def test_junit_replaces_characters_that_xml_does_not_permit(passed_run: RunResult) -> None:
    check = CheckResult("x", "Odd \x00\x1b[31m\ud800 title", Verdict.FAIL, 1, 1, ("\x07 <&\"' ão",))
    (case,) = [case for name, case in cases(replace(passed_run, checks=(check,))).items() if name.startswith("Odd")]
    failure = case.find("failure")
    assert failure is not None
    assert "<&\"' ão" in (failure.text or "")


def test_the_json_has_the_verdict_and_the_exit_code(failed_run: RunResult) -> None:
    document = json.loads(render_json(failed_run))
    assert (document["report_version"], document["verdict"], document["exit_code"]) == (2, "FAIL", 1)
    assert document["run"]["replay_command"] == failed_run.replay_command
    assert [criterion["verdict"] for criterion in document["criteria"]] == ["PASS", "PASS", "FAIL", "PASS"]
    assert document["checks"][0]["violations"][1].endswith("1,010.00 BRL")
    assert document["cache_requests"]["stale"] == 24
    assert sum(sum(window["completed"].values()) for window in document["timeline"]) == 3000


def test_the_json_has_no_infinite_numbers(failed_run: RunResult) -> None:
    endless = replace(failed_run.criteria[0], interval=(100.0, float("inf")))
    text = render_json(replace(failed_run, criteria=(endless,)))
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["criteria"][0]["interval"] == [100.0, None]
    assert document["histograms"]["database_hit"]["buckets"][-1]["up_to_s"] is None


def test_every_key_of_the_json_is_documented(passed_run: RunResult) -> None:
    page = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w.]+)`", page, re.MULTILINE))
    document = build_document(passed_run)
    run = document.pop("run")
    assert isinstance(run, dict)
    assert documented >= {*document, *(f"run.{key}" for key in run)}
    assert {key for key in documented if "." not in key} <= {*document, "run"}


def test_the_report_consists_of_three_files(passed_run: RunResult, tmp_path: Path) -> None:
    out = tmp_path / "not" / "there" / "yet"
    written = write_report(passed_run, out)
    assert sorted(path.name for path in written) == ["junit.xml", "report.html", "report.json"]
    assert sorted(out.iterdir()) == sorted(written)
    assert "<h1>Passed</h1>" in (out / "report.html").read_text(encoding="utf-8")


def test_a_second_report_replaces_the_first(passed_run: RunResult, failed_run: RunResult, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("{}\n")
    write_report(passed_run, tmp_path)
    write_report(failed_run, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "FAIL"
    assert (tmp_path / "history.jsonl").read_text() == "{}\n"


def test_an_interrupted_report_leaves_the_old_one_complete(
    passed_run: RunResult, failed_run: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(passed_run, tmp_path)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReportError, match=r"report\.json cannot be written: no space left on device"):
        write_report(failed_run, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "PASS"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_instead_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "below"):
        with pytest.raises(ReportError, match=f"the report cannot go to {out}: .*is not a folder") as raised:
            prepare_folder(out)
        assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_write_permission_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ReportError, match="permission denied"):
        prepare_folder(tmp_path)


def test_matplotlib_is_not_loaded_before_a_page_is_drawn() -> None:
    program = """
import sys
import simulation.criteria.evaluate, simulation.report.live, simulation.report.terminal, simulation.report.write
sys.exit("matplotlib" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
