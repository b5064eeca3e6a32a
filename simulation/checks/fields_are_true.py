"""Every field of every answer shows what the books say of what it names, or can have said at that moment.

Numbers of accounts, descriptions, moments, fees, states, limits, profiles, cursors, flags of pages, rows of the audit
trail: each field of the contract has a rule (`simulation/fields/rules.py`), and every answer is looked at.
"""

from collections import Counter

from simulation.checks.tally import NO_FACTS, Tally
from simulation.fields.truth import Truth
from simulation.fields.walk import wrong_fields
from simulation.judge.evidence import Evidence
from simulation.result import CheckResult

NAME = "fields_are_true"
TITLE = "Every field of every answer is what the books say"


def applies(evidence: Evidence) -> bool:
    """Return whether there are answers as they came, and whole rows to hold them against."""
    return evidence.facts is None or bool(evidence.facts.rows)


def check(evidence: Evidence) -> CheckResult:
    """Walk over every answer, oldest first."""
    tally = Tally(NAME, TITLE)
    if evidence.facts is None:
        tally.left_open(NO_FACTS)
        return tally.result()
    truth = Truth(evidence, evidence.facts)
    broken: Counter[str] = Counter()
    for attempt in evidence.attempts:
        if attempt.body is None:
            continue
        tally.look()
        for field, sentence in wrong_fields(truth, attempt):
            broken[field] += 1
            tally.broke(f"{attempt}: {field}: {sentence}")
    if broken:
        tally.note(", ".join(f"{field} {count} times" for field, count in broken.most_common(5)))
    return tally.result()
