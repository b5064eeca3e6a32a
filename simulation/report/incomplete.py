"""The report of a run without a verdict, in the same three files as every other report."""

from dataclasses import asdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from simulation.model.result import IncompleteRun
from simulation.report.document import REPORT_VERSION
from simulation.report.junit import xml_text
from simulation.report.template import load_template

VERDICT = "COULD_NOT_RUN"


def headline(run: IncompleteRun) -> str:
    """Return the step and the reason as one sentence."""
    return f"{run.step}: {run.reason}"


def render_json(run: IncompleteRun) -> str:
    """Return the document as text: the known keys of a report, and the failed step."""
    document = {
        "report_version": REPORT_VERSION,
        "verdict": VERDICT,
        "exit_code": run.exit_code,
        "headline": headline(run),
        "run": {
            "scenario": run.scenario,
            "seed": run.seed,
            "plan_hash": run.plan_hash,
            "backend": run.backend,
            "started_at": run.started_at.isoformat(),
            "finished_at": run.finished_at.isoformat(),
            "took_s": (run.finished_at - run.started_at).total_seconds(),
            "replay_command": run.replay_command,
        },
        "failed_step": run.step,
        "reason": run.reason,
        "excerpts": [asdict(excerpt) for excerpt in run.excerpts],
        "criteria": [],
        "checks": [],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def render_junit(run: IncompleteRun) -> str:
    """Return JUnit XML with one test case, the failed step, as an error."""
    took_s = f"{(run.finished_at - run.started_at).total_seconds():.3f}"
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": took_s}
    root = Element("testsuites", {"name": "simulation", **counts})
    suite = SubElement(root, "testsuite", {"name": f"{run.scenario}: the run itself", **counts})
    suite.set("timestamp", run.started_at.strftime("%Y-%m-%dT%H:%M:%S"))
    case = SubElement(
        suite, "testcase", name=xml_text(run.step), classname=f"simulation.{run.scenario}.run", time=took_s
    )
    error = SubElement(case, "error", message=xml_text(run.reason), type=VERDICT)
    texts = [run.reason, f"Replay: {run.replay_command}"]
    texts += [f"{excerpt.title}\n" + "\n".join(excerpt.lines) for excerpt in run.excerpts]
    error.text = xml_text("\n\n".join(texts))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def render_page(run: IncompleteRun) -> str:
    """Return the page as HTML."""
    return load_template("incomplete.html.j2").render(
        run=run, took_s=(run.finished_at - run.started_at).total_seconds()
    )
