"""Every answer is one that the contract allows: no internal error, nothing malformed, nothing that is not GraphQL."""

from simulation.checks.tally import Tally
from simulation.judge.evidence import Evidence
from simulation.result import CheckResult

NAME = "answers_follow_contract"
TITLE = "Every answer is of the form that the contract promises"


def check(evidence: Evidence) -> CheckResult:
    """Look at every answer that came back."""
    tally = Tally(NAME, TITLE)
    for attempt in evidence.attempts:
        if attempt.outcome != "unknown":
            tally.look()
        if attempt.outcome == "error":
            tally.broke(f"{attempt}: {attempt.code}")
    return tally.result()
