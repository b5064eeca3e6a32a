"""A stolen refresh token ends the session of its owner, with all tokens of the session, on every worker.

A refresh token is stolen if it comes again after its grace period, or after its successor was used (RFC 9700, 4.14.2).
It is then refused, and a second later every worker refuses the newest access token and the newest refresh token of the
session. The event of the theft is in the log, and the owner can log in again.
"""

from collections import defaultdict
from collections.abc import Sequence

from simulation.attacks.steal_token import AFTERWARDS, AGAIN, AT_HOME, DETECTED
from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.checks.whole_rows import events_of_requests
from simulation.judge.evidence import Evidence
from simulation.model.attacks import AttackKind, AttackRequest
from simulation.model.result import CheckResult

NAME = "theft_ends_family"
TITLE = "A stolen refresh token ends the whole session, on every worker"

EVENT = "RefreshTokenReusedEvent"


def applies(evidence: Evidence) -> bool:
    """Return whether thefts were planned."""
    return any(attack.kind is AttackKind.TOKEN_THEFT for attack in evidence.plan.attacks)


def check(evidence: Evidence) -> CheckResult:
    """Examine what happened after each use of a stolen token."""
    builder = CheckResultBuilder(NAME, TITLE)
    thefts: dict[int, list[AttackRequest]] = defaultdict(list)
    for request in evidence.attack_requests:
        if request.attack.kind is AttackKind.TOKEN_THEFT and request.is_answered:
            thefts[request.attack.index].append(request)
    if evidence.database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    recorded = events_of_requests(evidence.database)
    for requests in thefts.values():
        for request in _of_step(requests, DETECTED):
            builder.examine()
            if not request.is_refused:
                builder.add_violation(f"{request}: a stolen refresh token was accepted")
            elif EVENT not in recorded.get(request.correlation_id or "", ()):
                builder.add_violation(f"{request}: no {EVENT} says that the token was stolen")
        for request in _of_step(requests, AFTERWARDS):
            builder.examine()
            if not request.is_refused:
                builder.add_violation(f"{request}: it was accepted a second after the theft was detected")
        for request in (*_of_step(requests, AGAIN), *_of_step(requests, AT_HOME)):
            builder.examine()
            if request.is_refused:
                builder.add_violation(f"{request}: refused with {request.codes[0]}, although the session is a new one")
    return builder.result()


def _of_step(requests: Sequence[AttackRequest], step: str) -> Sequence[AttackRequest]:
    return [request for request in requests if request.step == step]
