"""PostgreSQL broke no deadlock: neither its own count nor its log, where that can be read, knows of one."""

from simulation.checks.result_builder import NO_FACTS, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "no_deadlocks"
TITLE = "No deadlock in PostgreSQL"

PHRASE = "deadlock detected"


def check(evidence: Evidence) -> CheckResult:
    """Look at the server's count of deadlocks in this database, and for the phrase in its log."""
    builder = CheckResultBuilder(NAME, TITLE)
    if evidence.facts is None:
        builder.left_open(NO_FACTS)
    else:
        builder.look()
        if evidence.facts.deadlocks:
            count = evidence.facts.deadlocks
            builder.broke(f"PostgreSQL counts {count} deadlock{'s' if count > 1 else ''} in the bank's database", count)
    if evidence.postgres_log is None:
        builder.note("PostgreSQL's log cannot be read here; its count of deadlocks can")
        return builder.result()
    for line in evidence.postgres_log.splitlines():
        builder.look()
        if PHRASE in line:
            builder.broke(f"PostgreSQL's log says: {line.strip()[:200]}")
    return builder.result()
