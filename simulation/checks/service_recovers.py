"""After each fault, the service is back without help within 15 seconds of the end of the fault.

The service is back when every worker has moved money and answered a read that bypasses the cache, both requested
after the end. If one of several workers was killed, another one served its subscribers within two seconds. While a
worker was stopped, the others moved money. A run without faults is not examined.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.faults.recovery import recovery_from
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult, Verdict

NAME = "service_recovers"
TITLE = "After each fault, the service is back within 15 seconds, without help"


def applies(evidence: Evidence) -> bool:
    """Return whether faults were planned."""
    return bool(evidence.faults)


def check(evidence: Evidence) -> CheckResult:
    """Examine the recovery after each fault."""
    builder = CheckResultBuilder(NAME, TITLE)
    for run in evidence.faults:
        builder.examine()
        recovery = recovery_from(run, evidence.attempts, workers=evidence.plan.workers)
        if recovery.verdict is Verdict.FAIL:
            builder.add_violation(recovery.sentence, float("inf") if recovery.back_s is None else recovery.back_s)
        elif recovery.verdict is Verdict.UNKNOWN:
            builder.mark_unknown(recovery.sentence)
    return builder.result()
