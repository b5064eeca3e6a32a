"""The texts of the report, which are the same in the terminal, on the page and in the files."""

import math

from simulation.machine.seconds import disturbance
from simulation.model.numbers import number
from simulation.model.result import CheckResult, CriterionResult, FaultResult, RunResult, Verdict

SYMBOLS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


def with_unit(value: float | None, unit: str) -> str:
    """Return `value` with its unit, or a dash if there is no value."""
    if value is None:
        return "-"
    return f"{number(value)}{unit}" if unit.startswith("/") else f"{number(value)} {unit}".strip()


def measured(criterion: CriterionResult) -> str:
    """Return the measured value, such as `62.1 %`, or a dash if nothing was measured."""
    return with_unit(criterion.measured, criterion.unit)


def span(criterion: CriterionResult) -> str:
    """Return the interval as a text, such as `60.2 to 64.4 %`; empty if there is no interval."""
    if criterion.interval is None:
        return ""
    lower, upper = criterion.interval
    if math.isinf(upper):
        return f"above {number(lower)} {criterion.unit}"
    return f"{number(lower)} to {number(upper)} {criterion.unit}"


def violations(check: CheckResult) -> str:
    """Return the number of violations as a text."""
    if check.count == 0:
        return "none"
    return f"{check.count:,}"


def information_reason(result: RunResult) -> str:
    """Return the reason why some criteria are for information only."""
    return "for information with faults" if result.faults else "for information in this scenario"


def fault_moment(fault: FaultResult) -> str:
    """Return the time of a fault, in seconds since the start of the drive."""
    if fault.began_s is None:
        return f"{fault.planned_s:.1f} s, planned"
    lasted_s = 0.0 if fault.ended_s is None else fault.ended_s - fault.began_s
    return f"{fault.began_s:.1f} s" if lasted_s < 0.1 else f"{fault.began_s:.1f} to {fault.began_s + lasted_s:.1f} s"


def fault_back(fault: FaultResult) -> str:
    """Return the time from the end of a fault to the recovery of the service."""
    return "not seen" if fault.back_s is None else f"{fault.back_s:.1f} s"


def fault_takeover(fault: FaultResult) -> str:
    """Return the time for which no worker served the subscribers of a dead worker, or a dash if it was not measured."""
    return "-" if fault.takeover_s is None else f"{fault.takeover_s:.1f} s"


def machine_words(result: RunResult) -> str:
    """Return a text about the machine and its use during the run; empty if this is unknown."""
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
    undecided = sum(c.verdict is Verdict.UNKNOWN for c in checks)
    undecided += sum(c.verdict is Verdict.UNKNOWN for c in criteria)
    unseen = sum(s.required and not s.seen for s in result.coverage)
    if undecided or unseen:
        parts = []
        if undecided:
            parts.append(f"{_many(undecided, 'result')} undecided")
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
    """Return the first failure, or otherwise the first undecided result, as one text; empty if there is none."""
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
