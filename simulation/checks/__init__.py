"""What may never be seen: one property a file. Each check looks at the evidence of a run and gives its own verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType

from simulation.checks import (
    acknowledged_is_durable,
    answers_follow_contract,
    audit_complete,
    balances_match_oracle,
    conservation,
    days_are_true,
    events_complete,
    exactly_once,
    no_deadlocks,
    no_overdraft,
    no_secrets_in_logs,
    one_instant,
    read_your_writes,
    reads_are_true,
    refusals_are_right,
)
from simulation.evidence import Evidence
from simulation.result import CheckResult


@dataclass(frozen=True, slots=True)
class Check:
    """A property: its title for a table, its explanation, and the function that gives the verdict."""

    name: str
    title: str
    explanation: str
    check: Callable[[Evidence], CheckResult]


def _of(module: ModuleType) -> Check:
    return Check(module.NAME, module.TITLE, (module.__doc__ or "").strip(), module.check)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        module.NAME: _of(module)
        for module in (
            conservation,
            no_overdraft,
            exactly_once,
            acknowledged_is_durable,
            read_your_writes,
            reads_are_true,
            one_instant,
            refusals_are_right,
            balances_match_oracle,
            events_complete,
            audit_complete,
            days_are_true,
            no_deadlocks,
            no_secrets_in_logs,
            answers_follow_contract,
        )
    }
)
"""Every check by name, in the order of a report."""


def judge(evidence: Evidence) -> tuple[CheckResult, ...]:
    """Return what every check says of a run."""
    return tuple(check.check(evidence) for check in CHECKS.values())
