"""No attack throttles an honest person, or keeps one from logging in with the right password.

Attackers guess passwords of people, exceed the rate limits of their own addresses, and end sessions by using stolen
tokens. A person gets neither `RATE_LIMITED` nor a refusal of the right password. `OVERLOADED` is permitted, because it
says that the bank has no capacity, and the person repeats the login.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.operations import Kind
from simulation.model.result import CheckResult

NAME = "honest_people_are_served"
TITLE = "No honest person is throttled or locked out"

THROTTLED = "RATE_LIMITED"
OVERLOADED = "OVERLOADED"


def applies(evidence: Evidence) -> bool:
    """Return whether the bank has rate limits in this run."""
    return evidence.plan.protection is not None


def check(evidence: Evidence) -> CheckResult:
    """Examine the answers to all people who are no attackers, and to the victims of attacks."""
    builder = CheckResultBuilder(NAME, TITLE)
    for attempt in evidence.attempts:
        if attempt.outcome in {"ok", "refused"}:
            builder.examine()
            is_login = attempt.operation.kind is Kind.LOGIN and attempt.code != OVERLOADED
            if attempt.code is not None and (is_login or attempt.code == THROTTLED):
                builder.add_violation(f"{attempt}: refused with {attempt.code}")
    for request in evidence.attack_requests:
        if request.by_owner and request.is_answered:
            builder.examine()
            if set(request.codes) - request.expected:
                builder.add_violation(f"{request}: refused with {request.codes[0]}")
    return builder.result()
