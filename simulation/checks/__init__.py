"""Checks: one property in each file. Each check reads the evidence of a run and gives its own verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from simulation.checks import (
    acknowledged_is_durable,
    answers_follow_contract,
    attackers_are_throttled,
    attacks_are_recorded,
    audit_complete,
    balances_match_oracle,
    bank_check_agrees,
    canaries_stay_private,
    conservation,
    days_match_entries,
    events_complete,
    every_operation_is_answered,
    exactly_once,
    fields_match_rows,
    honest_people_are_served,
    no_deadlocks,
    no_errors_in_logs,
    no_overdraft,
    no_secrets_in_logs,
    only_attackers_are_suspected,
    only_own_data,
    read_your_writes,
    reads_match_entries,
    refusals_are_right,
    rows_match_requests,
    service_recovers,
    snapshot_reads,
    stored_data_is_encrypted,
    theft_ends_family,
)
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult


@dataclass(frozen=True, slots=True)
class Check:
    """A property: its title for a table, its explanation, and the function that gives the verdict.

    `applies` returns whether the check examines a run; almost every check examines every run.
    """

    name: str
    title: str
    explanation: str
    check: Callable[[Evidence], CheckResult]
    applies: Callable[[Evidence], bool]


def _always(_evidence: Evidence) -> bool:
    return True


def _of(module: ModuleType) -> Check:
    applies = getattr(module, "applies", _always)
    return Check(module.NAME, module.TITLE, (module.__doc__ or "").strip(), module.check, applies)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        module.NAME: _of(module)
        for module in (
            conservation,
            no_overdraft,
            exactly_once,
            acknowledged_is_durable,
            read_your_writes,
            reads_match_entries,
            fields_match_rows,
            rows_match_requests,
            snapshot_reads,
            refusals_are_right,
            balances_match_oracle,
            events_complete,
            audit_complete,
            days_match_entries,
            bank_check_agrees,
            no_deadlocks,
            stored_data_is_encrypted,
            no_secrets_in_logs,
            no_errors_in_logs,
            answers_follow_contract,
            every_operation_is_answered,
            service_recovers,
            only_own_data,
            theft_ends_family,
            attackers_are_throttled,
            attacks_are_recorded,
            canaries_stay_private,
            honest_people_are_served,
            only_attackers_are_suspected,
        )
    }
)
"""Every check by name, in the order of the report."""


def run_checks(evidence: Evidence) -> tuple[CheckResult, ...]:
    """Return the results of all checks that apply to a run."""
    return tuple(check.check(evidence) for check in CHECKS.values() if check.applies(evidence))
