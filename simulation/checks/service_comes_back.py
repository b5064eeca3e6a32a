"""After each fault the service is back by itself, within 15 seconds of the fault's end.

Back is when every worker has moved money, and answered a read past the cache, that was asked for after the end. Where
one of several workers was killed, its subscribers were served by another within two seconds of its death. While one
stood still, the others moved money. A run without faults is not looked at.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.faults.recovery import recovery_from
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult, Verdict

NAME = "service_comes_back"
TITLE = "After each fault the service is back within 15 seconds, without a human"


def applies(evidence: Evidence) -> bool:
    """Return whether anything was to be broken."""
    return bool(evidence.faults)


def check(evidence: Evidence) -> CheckResult:
    """Look for the first answers after each fault."""
    builder = CheckResultBuilder(NAME, TITLE)
    for run in evidence.faults:
        builder.examine()
        recovery = recovery_from(run, evidence.attempts, workers=evidence.plan.workers)
        if recovery.verdict is Verdict.FAIL:
            builder.add_violation(recovery.sentence, float("inf") if recovery.back_s is None else recovery.back_s)
        elif recovery.verdict is Verdict.UNKNOWN:
            builder.leave_open(recovery.sentence)
    return builder.result()
