"""No text that a client sends appears where somebody else can read it.

Attackers send a canary, a unique text, in every place of a request. No canary, and nothing else that no log may have,
is in the metrics, in the log of PostgreSQL, in the history of the run, or in an answer to another request. An answer
never repeats a password or a token. `no_secrets_in_logs` searches the logs of the bank for canaries, and
`stored_data_is_encrypted` the stored rows.
"""

import re
from collections.abc import Iterator

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.attacks import SECRET_PATHS
from simulation.model.result import CheckResult

NAME = "canaries_stay_private"
TITLE = "No canary is in the metrics, a log of PostgreSQL, the history or another answer"


def applies(evidence: Evidence) -> bool:
    """Return whether canaries were planned."""
    return any(attack.canaries for attack in evidence.plan.attacks)


def check(evidence: Evidence) -> CheckResult:
    """Search every published text and every answer."""
    builder = CheckResultBuilder(NAME, TITLE)
    for examine in (_published, _answers):
        for sentence in examine(evidence, builder):
            builder.add_violation(sentence)
    return builder.result()


def _published(evidence: Evidence, builder: CheckResultBuilder) -> Iterator[str]:
    texts = dict(evidence.published)
    if evidence.postgres_log is not None:
        texts["the log of PostgreSQL"] = evidence.postgres_log
    for name, text in texts.items():
        builder.examine(text.count("\n"))
        for secret in evidence.secrets:
            if secret.text in text:
                yield f"{name} holds {secret.label}"


def _answers(evidence: Evidence, builder: CheckResultBuilder) -> Iterator[str]:
    paths = {canary: path for attack in evidence.plan.attacks for path, canary in attack.canaries}
    pattern = re.compile("|".join(map(re.escape, paths)).encode())
    for attempt in evidence.attempts:
        builder.examine()
        for found in set(pattern.findall(attempt.body or b"")):
            yield f"{attempt}: its answer has the canary in the {paths[found.decode()]} of somebody else"
    for request in evidence.attack_requests:
        builder.examine()
        for found in set(pattern.findall(request.body or b"")):
            path = paths[found.decode()]
            if path is not request.canary:
                yield f"{request}: its answer has the canary in the {path} of another request"
            elif path in SECRET_PATHS:
                yield f"{request}: its answer repeats the {path}"
