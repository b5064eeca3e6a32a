"""Evidence with a change that a check must detect."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulation.checks import CHECKS
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.model.answers import TransactionReceipt
from simulation.model.attempts import Attempt
from simulation.model.operations import Kind
from simulation.model.result import Verdict


def verdict(name: str, evidence: Evidence) -> Verdict:
    return CHECKS[name].check(evidence).verdict


def with_database(evidence: Evidence, **changes: Any) -> Evidence:
    assert evidence.database is not None
    return replace(evidence, database=replace(evidence.database, **changes))


def with_attempt(evidence: Evidence, attempt: Attempt, **changes: Any) -> Evidence:
    """Return the evidence with one attempt changed."""
    return replace(evidence, attempts=[replace(a, **changes) if a is attempt else a for a in evidence.attempts])


def first(evidence: Evidence, wanted: Callable[[Attempt], bool]) -> Attempt:
    return next(attempt for attempt in evidence.attempts if wanted(attempt))


def transfer(evidence: Evidence) -> Attempt:
    return first(evidence, lambda a: a.operation.kind is Kind.TRANSFER and isinstance(a.answer, TransactionReceipt))


def database_of(evidence: Evidence) -> DatabaseState:
    assert evidence.database is not None
    return evidence.database
