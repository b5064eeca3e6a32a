"""Every answer is one that the contract allows: no internal error, nothing malformed, nothing that is not GraphQL."""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "answers_follow_contract"
TITLE = "Every answer is of the form that the contract promises"


def check(evidence: Evidence) -> CheckResult:
    """Look at every answer that came back."""
    builder = CheckResultBuilder(NAME, TITLE)
    for attempt in evidence.attempts:
        if attempt.outcome != "unknown":
            builder.examine()
        if attempt.outcome == "error":
            builder.add_violation(f"{attempt}: {attempt.code}")
    return builder.result()
