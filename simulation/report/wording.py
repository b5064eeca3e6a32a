"""The words of the report, the same in the terminal, on the page and in the files."""

import math

from simulation.machine.seconds import disturbance
from simulation.model.numbers import number
from simulation.model.result import CheckResult, CriterionResult, FaultResult, RunResult, Verdict

SYMBOLS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


def with_unit(value: float | None, unit: str) -> str:
    """Return `value` with its unit, or a dash where there is none."""
    if value is None:
        return "-"
    return f"{number(value)}{unit}" if unit.startswith("/") else f"{number(value)} {unit}".strip()


def measured(criterion: CriterionResult) -> str:
    """Return what was measured, such as `62.1 %`, or a dash where nothing was."""
    return with_unit(criterion.measured, criterion.unit)


def span(criterion: CriterionResult) -> str:
    """Return the interval in words, such as `60.2 to 64.4 %`; empty where there is none."""
    if criterion.interval is None:
        return ""
    lower, upper = criterion.interval
    if math.isinf(upper):
        return f"above {number(lower)} {criterion.unit}"
    return f"{number(lower)} to {number(upper)} {criterion.unit}"


def violations(check: CheckResult) -> str:
    """Return how often a check was broken, in words."""
    if check.count == 0:
        return "none"
    return f"{check.count:,}"


def aside_words(result: RunResult) -> str:
    """Return why criteria that do not count are there."""
    return "for information with faults" if result.faults else "for information in this scenario"


def fault_moment(fault: FaultResult) -> str:
    """Return when a fault was, in seconds since driving began."""
    if fault.began_s is None:
        return f"{fault.planned_s:.1f} s, planned"
    lasted_s = 0.0 if fault.ended_s is None else fault.ended_s - fault.began_s
    return f"{fault.began_s:.1f} s" if lasted_s < 0.1 else f"{fault.began_s:.1f} to {fault.began_s + lasted_s:.1f} s"


def fault_back(fault: FaultResult) -> str:
    """Return how long after a fault's end the service was back."""
    return "not seen" if fault.back_s is None else f"{fault.back_s:.1f} s"


def fault_takeover(fault: FaultResult) -> str:
    """Return how long a dead worker's subscribers were served by nobody, or a dash where that is no question."""
    return "-" if fault.takeover_s is None else f"{fault.takeover_s:.1f} s"


def machine_words(result: RunResult) -> str:
    """Return what the run was on, and what else the machine did meanwhile; empty where that is not known."""
    if result.machine is None:
        return ""
    machine, seconds = result.machine, result.seconds
    words = f"{machine.system}, {number(machine.cores)} cores, load {machine.load:.1f} before, Python {machine.python}"
    if not seconds:
        return words
    shares = (sum(getattr(second, name) for second in seconds) / len(seconds) for name in ("own", "others", "steal"))
    own, others, steal = shares
    disturbed = sum(bool(disturbance(second)) for second in seconds)
    return (
        f"{words}; of the processors the run used {own:.0%}, others {others:.0%}, the hypervisor kept {steal:.0%}; "
        f"disturbed in {disturbed} of {len(seconds)} seconds"
    )


def headline(result: RunResult) -> str:
    """Return the verdict as one sentence."""
    criteria, checks = [criterion for criterion in result.criteria if criterion.required], result.checks
    missed = sum(c.verdict is Verdict.FAIL for c in criteria)
    broken = sum(c.verdict is Verdict.FAIL for c in checks)
    if missed or broken:
        parts = []
        if broken:
            parts.append(f"{broken} of {_many(len(checks), 'safety check')} failed")
        if missed:
            parts.append(f"{missed} of {_many(len(criteria), 'success criterion', 'success criteria')} missed")
        return f"{' and '.join(parts)}."
    if not checks:
        return "Nothing failed, but no safety check examined the run."
    untold = sum(c.verdict is Verdict.UNKNOWN for c in checks)
    untold += sum(c.verdict is Verdict.UNKNOWN for c in criteria)
    unseen = sum(s.required and not s.seen for s in result.coverage)
    if untold or unseen:
        parts = []
        if untold:
            parts.append(f"{_many(untold, 'result')} undecided")
        if unseen:
            parts.append(f"{_many(unseen, 'required item')} of coverage not seen")
        return f"Nothing failed, but: {', '.join(parts)}."
    if result.faults:
        return (
            f"Every safety check passed, and the service recovered from each of {_many(len(result.faults), 'fault')}."
        )
    if not criteria:
        return "Every safety check passed. The scenario measures no success criterion."
    if len(criteria) < len(result.criteria):
        count = (
            "1 counts in this scenario and was"
            if len(criteria) == 1
            else f"{len(criteria)} count in this scenario and were"
        )
        return f"Every safety check passed. Of the success criteria, {count} met."
    return "Every safety check passed, and every success criterion was met."


def _many(count: int, thing: str, things: str = "") -> str:
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def first_trouble(result: RunResult) -> str:
    """Return the first wrong number, or what could not be told, as one text; empty where all is well."""
    for wanted in (Verdict.FAIL, Verdict.UNKNOWN):
        for check in result.checks:
            if check.verdict is wanted:
                why = check.violations[0] if check.violations else check.note
                return f"{check.title}: {why}" if why else check.title
        for criterion in result.criteria:
            if criterion.verdict is wanted and criterion.required:
                why = f"{measured(criterion)} measured, target {criterion.target}"
                return f"{criterion.title}: {'; '.join(text for text in (why, criterion.note) if text)}"
    for coverage_item in result.coverage:
        if coverage_item.required and not coverage_item.seen:
            return f"{coverage_item.title}: not seen, so the run is not a valid test"
    return ""
