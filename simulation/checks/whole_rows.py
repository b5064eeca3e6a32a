"""The common part of checks that compare with whole rows of the database at the end of a run."""

from collections.abc import Callable

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
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
