"""Every answer is allowed by the contract: no internal error, no malformed JSON, only GraphQL.

This includes the answers to attackers, whose requests follow no contract.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "answers_follow_contract"
TITLE = "Every answer has the form of the contract"

BROKEN = frozenset({"INTERNAL", "WITHOUT_CODE"})
"""The codes of a bug, and of an error that has no code."""


def check(evidence: Evidence) -> CheckResult:
    """Examine every answer."""
    builder = CheckResultBuilder(NAME, TITLE)
    for attempt in evidence.attempts:
        if attempt.outcome != "unknown":
            builder.examine()
        if attempt.outcome == "error":
            builder.add_violation(f"{attempt}: {attempt.code}")
    for request in evidence.attack_requests:
        builder.examine()
        if BROKEN & set(request.codes) or (request.failure is not None and request.status is not None):
            builder.add_violation(f"{request}: {request.failure or request.codes[0]}")
    return builder.result()
