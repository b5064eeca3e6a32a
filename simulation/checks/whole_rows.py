"""The frame of checks that hold what was seen against whole rows of the database at the end of a run."""

from collections.abc import Callable

from simulation.checks.tally import NO_FACTS, Tally
from simulation.fields.truth import Truth
from simulation.judge.evidence import Evidence
from simulation.result import CheckResult


def have_rows(evidence: Evidence) -> bool:
    """Return whether there are whole rows to look at, or the database could not be read, which such a check says."""
    return evidence.facts is None or bool(evidence.facts.rows)


def check_rows(name: str, title: str, evidence: Evidence, look: Callable[[Truth, Tally], None]) -> CheckResult:
    """Return what a check finds that looks at the truth and tells the tally; UNKNOWN without the database."""
    tally = Tally(name, title)
    if evidence.facts is None:
        tally.left_open(NO_FACTS)
    else:
        look(Truth(evidence, evidence.facts), tally)
    return tally.result()
