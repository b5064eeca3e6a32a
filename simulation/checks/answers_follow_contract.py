"""Every answer is allowed by the contract: no internal error, no malformed JSON, only GraphQL."""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "answers_follow_contract"
TITLE = "Every answer has the form of the contract"


def check(evidence: Evidence) -> CheckResult:
    """Examine every answer."""
    builder = CheckResultBuilder(NAME, TITLE)
    for attempt in evidence.attempts:
        if attempt.outcome != "unknown":
            builder.examine()
        if attempt.outcome == "error":
            builder.add_violation(f"{attempt}: {attempt.code}")
    return builder.result()
