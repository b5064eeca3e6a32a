"""The frame of checks that hold what was seen against whole rows of the database at the end of a run."""

from collections.abc import Callable

from simulation.checks.result_builder import NO_FACTS, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.judge.fields.truth import Truth
from simulation.model.result import CheckResult


def have_rows(evidence: Evidence) -> bool:
    """Return whether there are whole rows to look at, or the database could not be read, which such a check says."""
    return evidence.facts is None or bool(evidence.facts.rows)


def check_rows(
    name: str, title: str, evidence: Evidence, look: Callable[[Truth, CheckResultBuilder], None]
) -> CheckResult:
    """Return the result of a check that compares with the database; UNKNOWN without it."""
    builder = CheckResultBuilder(name, title)
    if evidence.facts is None:
        builder.left_open(NO_FACTS)
    else:
        look(Truth(evidence, evidence.facts), builder)
    return builder.result()
