"""All balances in one answer are from one instant.

This instant is a position in the log of transactions at which all of the balances were true.
"""

from collections.abc import Sequence

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.answers import Balances
from simulation.model.result import CheckResult

NAME = "snapshot_reads"
TITLE = "All balances in one answer are from one instant"

Spans = Sequence[tuple[float, float]]


def check(evidence: Evidence) -> CheckResult:
    """Search, for each answer with several accounts, a position in the log at which all their balances were true."""
    builder = CheckResultBuilder(NAME, TITLE)
    timelines = evidence.timelines
    if timelines is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    for attempt in evidence.attempts:
        if not isinstance(attempt.answer, Balances) or len(attempt.answer.balances) < 2:
            continue
        common: Spans | None = [(0, float("inf"))]
        for account_id, balance_minor in attempt.answer.balances.items():
            timeline = timelines.accounts.get(account_id)
            versions = timeline.versions_with(balance_minor, 0, len(timeline.balances)) if timeline else []
            spans = timelines.spans(account_id, versions) if versions else None
            if spans is None or common is None:
                common = None  # other checks report a balance that never existed, and a gap in the log
                break
            common = overlap(common, spans)
        if common is None:
            continue
        builder.examine()
        if not common:
            shown = ", ".join(f"{id_[-6:]}: {minor / 100:.2f}" for id_, minor in attempt.answer.balances.items())
            builder.add_violation(f"{attempt}: the accounts never held these balances at the same moment ({shown})")
    return builder.result()


def overlap(some: Spans, others: Spans) -> list[tuple[float, float]]:
    """Return the intersection of two ascending sequences of half-open ranges."""
    found: list[tuple[float, float]] = []
    i = j = 0
    while i < len(some) and j < len(others):
        begin, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if begin < end:
            found.append((begin, end))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return found
