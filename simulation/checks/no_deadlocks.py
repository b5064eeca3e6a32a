"""PostgreSQL broke no deadlock: neither its own count nor its log, where that can be read, knows of one."""

from simulation.checks.tally import NO_FACTS, Tally
from simulation.judge.evidence import Evidence
from simulation.result import CheckResult

NAME = "no_deadlocks"
TITLE = "No deadlock in PostgreSQL"

PHRASE = "deadlock detected"


def check(evidence: Evidence) -> CheckResult:
    """Look at the server's count of deadlocks in this database, and for the phrase in its log."""
    tally = Tally(NAME, TITLE)
    if evidence.facts is None:
        tally.left_open(NO_FACTS)
    else:
        tally.look()
        if evidence.facts.deadlocks:
            count = evidence.facts.deadlocks
            tally.broke(f"PostgreSQL counts {count} deadlock{'s' if count > 1 else ''} in the bank's database", count)
    if evidence.postgres_log is None:
        tally.note("PostgreSQL's log cannot be read here; its count of deadlocks can")
        return tally.result()
    for line in evidence.postgres_log.splitlines():
        tally.look()
        if PHRASE in line:
            tally.broke(f"PostgreSQL's log says: {line.strip()[:200]}")
    return tally.result()
