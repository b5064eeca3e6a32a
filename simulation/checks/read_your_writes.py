"""A person who got the answer to a posting sees the posting in every later read, from the cache or not.

A read that began after the answer is compared with the entries of the account. If the account also had the balance
later, the check cannot distinguish the two and counts the read as right.
"""

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.displayed_balances import displayed_balances
from simulation.judge.evidence import Evidence
from simulation.model.numbers import reais
from simulation.model.result import CheckResult

NAME = "read_your_writes"
TITLE = "Every person sees a posting in all reads after its answer"


def check(evidence: Evidence) -> CheckResult:
    """Compare every read with the earlier answers to the same person."""
    builder = CheckResultBuilder(NAME, TITLE)
    timelines = evidence.timelines
    if timelines is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    for attempt in evidence.attempts:
        for account_id, balance_minor in displayed_balances(attempt):
            timeline = timelines.accounts.get(account_id)
            if timeline is None:
                continue
            acknowledged = timeline.newest_acknowledged(attempt.invoked_ns, person=attempt.operation.person)
            if acknowledged == 0:
                continue
            builder.examine()
            # Only an earlier balance of the account counts as stale; `reads_match_entries` examines all others.
            newest = len(timeline.balances) - 1
            if timeline.versions_with(balance_minor, acknowledged, newest):
                continue
            seen = timeline.versions_with(balance_minor, 0, acknowledged - 1)
            if seen:
                builder.add_violation(
                    f"{attempt}: reads {reais(balance_minor)} in account {account_id}, version {seen[-1]}, after "
                    f"the same person got an answer with version {acknowledged}",
                    acknowledged - seen[-1],
                )
    return builder.result()
