"""The verdict as JUnit XML, which every CI system can display.

There is one test case for each criterion, check, fault and item of coverage. FAIL is a failure and UNKNOWN an error, so
a pipeline that reads the file and one that reads the exit code agree.
"""

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from simulation.model.result import CheckResult, CoverageItem, CriterionResult, Excerpt, FaultResult, RunResult, Verdict
from simulation.report.wording import fault_back, fault_moment, fault_takeover, information_reason, measured, span

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML 1.0 does not permit, even escaped."""


def render_junit(result: RunResult) -> str:
    """Return the whole file as text."""
    root = Element("testsuites", name="simulation", time=_seconds(result))
    suites = (
        (
            "criteria",
            "Success criteria",
            [_criterion(criterion, information_reason(result)) for criterion in result.criteria],
        ),
        ("checks", "Safety checks", list(_checks(result)) if result.checks else [_nothing_checked()]),
        ("faults", "Faults", map(_fault, result.faults)),
        (
            "coverage",
            "Coverage",
            [_coverage_item(coverage_item) for coverage_item in result.coverage if coverage_item.required],
        ),
    )
    for name, title, cases in suites:
        if (found := list(cases)) or name != "faults":
            _suite(root, result, name, title, found)
    for suite in root:
        for count in ("tests", "failures", "errors", "skipped"):
            root.set(count, str(int(root.get(count, "0")) + int(suite.get(count, "0"))))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, result: RunResult, name: str, title: str, cases: Sequence[Element]) -> None:
    suite = SubElement(root, "testsuite", name=f"{result.scenario}: {title}", time=_seconds(result))
    # The timestamp of JUnit has no time zone, and its readers interpret it as UTC.
    suite.set("timestamp", result.started_at.strftime("%Y-%m-%dT%H:%M:%S"))
    suite.set("tests", str(len(cases)))
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    properties = SubElement(suite, "properties")
    facts = {
        "seed": result.seed,
        "plan_hash": result.plan_hash,
        "backend": result.backend,
        "verdict": result.verdict.value,
        "replay_command": result.replay_command,
    }
    for key, value in facts.items():
        SubElement(properties, "property", name=key, value=xml_text(str(value)))
    for case in cases:
        case.set("classname", f"simulation.{result.scenario}.{name}")
        suite.append(case)


def _case(title: str, verdict: Verdict, message: str, details: Iterable[str] = ()) -> Element:
    case = Element("testcase", name=xml_text(title), time="0")
    text = "\n".join((message, *details))
    if verdict is Verdict.PASS:
        SubElement(case, "system-out").text = xml_text(text)
    else:
        tag = "failure" if verdict is Verdict.FAIL else "error"
        SubElement(case, tag, message=xml_text(message), type=verdict.value).text = xml_text(text)
    return case


def _criterion(criterion: CriterionResult, reason: str) -> Element:
    said = f"{measured(criterion)} measured, target {criterion.target}, {criterion.samples} samples"
    details = [text for text in (span(criterion) and f"interval {span(criterion)}", criterion.note) if text]
    if not criterion.required and criterion.verdict is not Verdict.PASS:
        case = Element("testcase", name=xml_text(criterion.title), time="0")
        SubElement(case, "skipped", message=xml_text(f"{reason}: {said}"))
        return case
    return _case(criterion.title, criterion.verdict, said, details)


def _checks(result: RunResult) -> Iterable[Element]:
    """Yield a case for each check; the first failed one contains the excerpts about its violation."""
    excerpts = result.first_violation
    for check in result.checks:
        first = check.verdict is Verdict.FAIL
        yield _check(check, excerpts if first else ())
        excerpts = () if first else excerpts


def _check(check: CheckResult, excerpts: Sequence[Excerpt] = ()) -> Element:
    said = f"{check.count} violations in {check.examined} examined"
    details = [text for text in (check.note, *check.violations) if text]
    details += [f"{excerpt.title}:\n" + "\n".join(excerpt.lines) for excerpt in excerpts]
    return _case(check.title, check.verdict, said, details)


def _fault(fault: FaultResult) -> Element:
    back = "the service was not seen back" if fault.back_s is None else f"service back after {fault_back(fault)}"
    said = f"{fault.detail}; {fault.hurt} requests disturbed; {back}"
    takeover = f"subscribers taken over after {fault_takeover(fault)}" if fault.takeover_s is not None else ""
    return _case(
        f"{fault.title} ({fault_moment(fault)})", fault.verdict, said, [text for text in (takeover, fault.note) if text]
    )


def _nothing_checked() -> Element:
    return _case("Safety checks", Verdict.UNKNOWN, "no safety check examined this run")


def _coverage_item(coverage_item: CoverageItem) -> Element:
    verdict = Verdict.PASS if coverage_item.seen else Verdict.UNKNOWN
    said = f"seen {coverage_item.seen} times" if coverage_item.seen else "not seen, so the run is not a valid test"
    return _case(coverage_item.title, verdict, said)


def _seconds(result: RunResult) -> str:
    return f"{(result.finished_at - result.started_at).total_seconds():.3f}"


def xml_text(text: str) -> str:
    """Return a text in which characters that XML does not permit are replaced."""
    return FORBIDDEN.sub("\ufffd", text)
