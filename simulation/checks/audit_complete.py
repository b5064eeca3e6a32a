"""Every event has exactly one audit row, about the same thing, written in the order of the events."""

from collections import Counter
from itertools import pairwise

from simulation.checks.tally import NO_FACTS, Tally
from simulation.evidence import Evidence
from simulation.facts import AuditRow, EventRow
from simulation.result import CheckResult

NAME = "audit_complete"
TITLE = "Every event has exactly one audit row, in the same order"


def check(evidence: Evidence) -> CheckResult:
    """Hold the audit log against the event store, row by row."""
    tally = Tally(NAME, TITLE)
    facts = evidence.facts
    if facts is None:
        tally.left_open(NO_FACTS)
        return tally.result()
    rows = Counter(row.event_position for row in facts.audits)
    by_position = {row.event_position: row for row in facts.audits}
    for event in facts.events:
        tally.look()
        if rows[event.position] != 1:
            tally.broke(f"{event.event_type} at position {event.position} has {rows[event.position]} audit rows, not 1")
        else:
            _same(event, by_position[event.position], tally)
    for position in sorted(rows.keys() - {event.position for event in facts.events}):
        tally.broke(f"an audit row tells of position {position}, where there is no event")
    for earlier, later in pairwise(facts.audits):
        if later.id <= earlier.id:
            tally.broke(f"the audit row of position {later.event_position} was written before that of the event before")
    return tally.result()


def _same(event: EventRow, row: AuditRow, tally: Tally) -> None:
    if (row.entity_type, row.entity_id) != (event.aggregate_type, event.aggregate_id):
        tally.broke(
            f"the audit row of position {event.position} is about {row.entity_type} {row.entity_id}, "
            f"the event about {event.aggregate_type} {event.aggregate_id}"
        )
