"""Every event has exactly one audit row, about the same entity and in the order of the events, in one chain."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import AuditRow, EventRow
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "audit_complete"
TITLE = "Every event has exactly one audit row, in the same order, chained to the previous row"


def check(evidence: Evidence) -> CheckResult:
    """Compare the audit trail with the event store, row by row."""
    builder = CheckResultBuilder(NAME, TITLE)
    database = evidence.database
    if database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    rows = Counter(row.event_position for row in database.audits)
    by_position = {row.event_position: row for row in database.audits}
    for event in database.events:
        builder.examine()
        if rows[event.position] != 1:
            builder.add_violation(
                f"{event.event_type} at position {event.position} has {rows[event.position]} audit rows, not 1"
            )
        else:
            _check_entity(event, by_position[event.position], builder)
    for position in sorted(rows.keys() - {event.position for event in database.events}):
        builder.add_violation(f"an audit row has position {position}, which has no event")
    for earlier, later in pairwise(database.audits):
        if later.id <= earlier.id:
            builder.add_violation(
                f"the audit row of position {later.event_position} was written before the row of the previous event"
            )
    _check_chain(database.audits, builder)
    return builder.result()


def _check_chain(audits: Sequence[AuditRow], builder: CheckResultBuilder) -> None:
    """Calculate each hash again from the previous hash (32 zero bytes for the first row) and the text of the row."""
    digest = bytes(32)
    for place, row in enumerate(sorted(audits, key=lambda row: row.number), start=1):
        digest = sha256(digest + row.text.encode()).digest()
        if row.number != place:
            builder.add_violation(f"the audit row after number {place - 1} has number {row.number}")
            return
        if digest.hex() != row.hash:
            builder.add_violation(
                f"audit row {place}, of position {row.event_position}, does not follow from the previous row"
            )
            return


def _check_entity(event: EventRow, row: AuditRow, builder: CheckResultBuilder) -> None:
    if (row.entity_type, row.entity_id) != (event.aggregate_type, event.aggregate_id):
        builder.add_violation(
            f"the audit row of position {event.position} is about {row.entity_type} {row.entity_id}, "
            f"the event about {event.aggregate_type} {event.aggregate_id}"
        )
