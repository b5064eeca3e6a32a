"""No log line of the bank has a password, token, CPF, name or e-mail address of anybody in the run."""

from simulation.checks.log_texts import log_texts
from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "no_secrets_in_logs"
TITLE = "No log line has a password, token, CPF, name or e-mail address"


def check(evidence: Evidence) -> CheckResult:
    """Search every log of the bank for every secret of the run."""
    builder = CheckResultBuilder(NAME, TITLE)
    if not evidence.secrets:
        builder.mark_unknown("there is no secret to search for")
    for path, text in log_texts(evidence, builder):
        builder.examine(text.count("\n"))
        for secret in evidence.secrets:
            place = text.find(secret.text)
            if place >= 0:
                builder.add_violation(f"{path.name}, line {text.count(chr(10), 0, place) + 1}: holds {secret.label}")
    return builder.result()
