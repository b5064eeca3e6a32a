"""The common part of checks that compare with whole rows of the database at the end of a run."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books
from simulation.model.result import CheckResult


def have_rows(evidence: Evidence) -> bool:
    """Return whether there are whole rows, or the database could not be read, which such a check reports."""
    return evidence.database is None or bool(evidence.database.rows)


def check_rows(
    name: str, title: str, evidence: Evidence, compare: Callable[[Books, CheckResultBuilder], None]
) -> CheckResult:
    """Return the result of a check that compares with the database; UNKNOWN without it."""
    builder = CheckResultBuilder(name, title)
    if evidence.database is None:
        builder.mark_unknown(NO_DATABASE)
    else:
        compare(Books(evidence, evidence.database), builder)
    return builder.result()


def events_of_requests(database: DatabaseState) -> Mapping[str, Sequence[str]]:
    """Return the types of the events of each request, by its correlation id."""
    found: dict[str, list[str]] = defaultdict(list)
    types = {event.position: event.event_type for event in database.events}
    for row in database.rows.get("event_store", ()):
        found[str(row["metadata"].get("correlation_id"))].append(types[row["position"]])
    return found
