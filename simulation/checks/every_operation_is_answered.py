"""In a run without faults, every operation has an answer after its retries.

With faults, an outcome may stay unknown. A request with a closed token is sent only once. Its unknown outcome is a
violation only if the bank itself reported it.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.attempts import Attempt
from simulation.model.operations import Intent
from simulation.model.result import CheckResult

NAME = "every_operation_is_answered"
TITLE = "Without faults, every operation is answered"

UNKNOWN_OUTCOME_CODES = frozenset({"OUTCOME_UNKNOWN", "UNAVAILABLE"})


def applies(evidence: Evidence) -> bool:
    """Return whether no faults were planned."""
    return not evidence.plan.faults


def check(evidence: Evidence) -> CheckResult:
    """Examine the last attempt of every operation."""
    builder = CheckResultBuilder(NAME, TITLE)
    last: dict[int, Attempt] = {attempt.operation.index: attempt for attempt in evidence.attempts}
    for attempt in last.values():
        builder.examine()
        if attempt.outcome != "unknown":
            continue
        operation = attempt.operation
        is_sent_once = operation.intent is Intent.CLOSED_TOKEN
        if not is_sent_once or attempt.code in UNKNOWN_OUTCOME_CODES:
            builder.add_violation(
                f"{attempt}: {attempt.code or 'no answer'} after {attempt.number} attempts", attempt.number
            )
    return builder.result()
