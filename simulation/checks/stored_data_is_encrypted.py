"""No row of any table has a name, e-mail address, CPF, description, client address or user agent of the run in clear.

The rows are searched as they are stored, without decryption, at the end of the run.
"""

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "stored_data_is_encrypted"
TITLE = "No stored row has personal data in clear"


def applies(evidence: Evidence) -> bool:
    """Return whether the rows were searched, or the database could not be read, which the check reports."""
    return evidence.database is None or bool(evidence.database.stored_texts)


def check(evidence: Evidence) -> CheckResult:
    """Report each table in which a personal text was found."""
    builder = CheckResultBuilder(NAME, TITLE)
    if evidence.database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    for table, found in evidence.database.stored_texts.items():
        builder.examine(found.rows)
        if found.matches:
            builder.add_violation(f"{table}: {found.matches} of {found.rows} rows have {found.label} or more in clear")
    return builder.result()
