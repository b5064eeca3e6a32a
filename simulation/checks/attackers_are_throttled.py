"""From one address, the bank executes no more operations than its rate limit admits, in any number of documents.

The limit admits its quota at once, and what is restored of it in the time of the attack. While Redis does not answer in
time, as on a busy machine, all workers together admit up to another quota.
"""

from collections import defaultdict

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.attacks import AttackRequest, Quota
from simulation.model.result import CheckResult

NAME = "attackers_are_throttled"
TITLE = "No address exceeds a rate limit, with any number of aliases"

QUOTAS = 2
"""The quota in Redis, and the one that the workers share without Redis."""


def applies(evidence: Evidence) -> bool:
    """Return whether the bank has rate limits and attackers in this run."""
    return evidence.plan.protection is not None and bool(evidence.plan.attacks)


def check(evidence: Evidence) -> CheckResult:
    """Count the admitted operations of each attack by address and limit."""
    builder = CheckResultBuilder(NAME, TITLE)
    groups: dict[tuple[str, Quota], list[AttackRequest]] = defaultdict(list)
    for request in evidence.attack_requests:
        if request.quota is not None and request.is_answered:
            groups[(request.address, request.quota)].append(request)
    for (_, quota), requests in groups.items():
        builder.examine(len(requests))
        limit: tuple[int, int] = getattr(evidence.plan.protection, quota)
        admitted = [request for request in requests if "RATE_LIMITED" not in request.codes]
        executed = sum(request.operations for request in admitted)
        took_s = (max(r.ended_ns for r in requests) - min(r.invoked_ns for r in requests)) / 1e9
        most = QUOTAS * limit[0] + limit[0] / limit[1] * took_s
        if executed > most:
            text = (
                f"{executed} operations were executed in {took_s:.1f} s, but the rate limit {quota} admits {most:.0f}"
            )
            builder.add_violation(f"{requests[-1]}: {text}", executed - most)
    return builder.result()
