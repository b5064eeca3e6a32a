"""The bank's own `bank check` finds the books sound, after the last event is handled.

It examines what no answer shows: running balances, versions, the events of entries, the audit chain, the guards.
"""

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "bank_check_agrees"
TITLE = "`bank check` finds the books sound"


def check(evidence: Evidence) -> CheckResult:
    """Report every finding of `bank check`, and count its invariants."""
    builder = CheckResultBuilder(NAME, TITLE)
    said = evidence.bank_check
    if said is None or said.report is None:
        builder.mark_unknown(said.last_log_line if said else "`bank check` was not run")
        return builder.result()
    builder.examine(len(said.report["invariants"]))
    for finding in said.report["findings"]:
        builder.add_violation(f"{finding['invariant']}: {finding['sentence']}")
    if not said.report["sound"] and not said.report["findings"]:
        builder.add_violation("`bank check` found the books unsound without a finding")
    return builder.result()
