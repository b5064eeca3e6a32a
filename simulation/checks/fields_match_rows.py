"""Every field of every answer agrees with the books, as they are or as they can have been at that moment.

This includes account numbers, descriptions, times, fees, states, limits, profiles, cursors, page flags and audit
rows. Each field of the contract has a rule (`simulation/judge/fields/rules.py`), and every answer is examined.
"""

from collections import Counter

from simulation.checks.result_builder import CheckResultBuilder
from simulation.checks.whole_rows import check_rows, have_rows
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books
from simulation.judge.fields.walk import wrong_fields
from simulation.model.result import CheckResult

NAME = "fields_match_rows"
TITLE = "Every field of every answer agrees with the books"


applies = have_rows


def check(evidence: Evidence) -> CheckResult:
    """Examine every field of every answer, oldest answer first."""
    return check_rows(NAME, TITLE, evidence, _compare_fields)


def _compare_fields(books: Books, builder: CheckResultBuilder) -> None:
    broken: Counter[str] = Counter()
    for attempt in books.evidence.attempts:
        if attempt.body is None:
            continue
        builder.examine()
        for field, sentence in wrong_fields(books, attempt):
            broken[field] += 1
            builder.add_violation(f"{attempt}: {field}: {sentence}")
    if broken:
        builder.note(", ".join(f"{field} {count} times" for field, count in broken.most_common(5)))
