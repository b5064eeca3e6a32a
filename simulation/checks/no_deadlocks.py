"""PostgreSQL detected no deadlock: neither its counter nor its log, if the log can be read, has one."""

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "no_deadlocks"
TITLE = "PostgreSQL detects no deadlock"

PHRASE = "deadlock detected"


def check(evidence: Evidence) -> CheckResult:
    """Examine the server's count of deadlocks in this database, and search its log for the phrase."""
    builder = CheckResultBuilder(NAME, TITLE)
    if evidence.database is None:
        builder.mark_unknown(NO_DATABASE)
    else:
        builder.examine()
        if evidence.database.deadlocks:
            count = evidence.database.deadlocks
            builder.add_violation(
                f"PostgreSQL counts {count} deadlock{'s' if count > 1 else ''} in the bank's database", count
            )
    if evidence.postgres_log is None:
        builder.note("only the counter of deadlocks was read, because the log of PostgreSQL cannot be read here")
        return builder.result()
    for line in evidence.postgres_log.splitlines():
        builder.examine()
        if PHRASE in line:
            builder.add_violation(f"PostgreSQL's log says: {line.strip()[:200]}")
    return builder.result()
