"""PostgreSQL met no deadlock, by its own count and by its log, if the log can be read."""

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "no_deadlocks"
TITLE = "PostgreSQL meets no deadlock"

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
        builder.note("PostgreSQL's log cannot be read here; its count of deadlocks can")
        return builder.result()
    for line in evidence.postgres_log.splitlines():
        builder.examine()
        if PHRASE in line:
            builder.add_violation(f"PostgreSQL's log says: {line.strip()[:200]}")
    return builder.result()
