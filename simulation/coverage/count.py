"""Counts of the situations that must occur in a run for a valid test; the scenario names the required ones."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

from simulation.coverage.attacks import ATTACK_COVERAGE
from simulation.coverage.keys import KEY_COVERAGE
from simulation.coverage.keys import Count as KeyCount
from simulation.coverage.money import MONEY_COVERAGE
from simulation.faults.recovery import fault_coverage
from simulation.judge.evidence import Evidence
from simulation.model.answers import Balances, TransactionReceipt
from simulation.model.metrics import MetricsTotals, cache_hits_and_misses
from simulation.model.operations import KEYED_KINDS, Intent, Kind
from simulation.model.people import Role
from simulation.model.result import CoverageItem
from simulation.model.scenario import Scenario

Count = Callable[[Evidence, MetricsTotals], int]


def _accepted(kind: Kind) -> Count:
    return lambda evidence, _: sum(a.operation.kind is kind and a.outcome == "ok" for a in evidence.attempts)


def _refused(*codes: str) -> Count:
    return lambda evidence, _: sum(a.outcome == "refused" and a.code in codes for a in evidence.attempts)


def _replays(evidence: Evidence, _: MetricsTotals) -> int:
    return sum(attempt.replayed is True for attempt in evidence.attempts)


def _closed_token(evidence: Evidence, _: MetricsTotals) -> int:
    closed = [a for a in evidence.attempts if a.operation.intent is Intent.CLOSED_TOKEN]
    return sum(attempt.code == "UNAUTHENTICATED" for attempt in closed)


def _household_answers(evidence: Evidence, _: MetricsTotals) -> int:
    people = {person.index for person in evidence.plan.people_with(Role.HOUSEHOLD)}
    driven = [a for a in evidence.attempts if a.operation.phase in {"drive", "overtime"}]
    answers = [a for a in driven if isinstance(a.answer, Balances)]
    return sum(attempt.operation.person in people for attempt in answers)


def _concurrent_duplicates(evidence: Evidence, _: MetricsTotals) -> int:
    """Count the keys of which two requests were in flight at the same time."""
    found = 0
    for attempts in evidence.by_key.values():
        if attempts[0].operation.kind in KEYED_KINDS:
            ordered = sorted(attempts, key=lambda attempt: attempt.invoked_ns)
            found += any(b.invoked_ns < a.ended_ns for a, b in pairwise(ordered))
    return found


def _hot_postings(evidence: Evidence, _: MetricsTotals) -> int:
    """Count the payments into the account with most of them; 0 below a hundred."""
    numbers = Counter(
        a.answer.to_number for a in evidence.attempts if isinstance(a.answer, TransactionReceipt) and not a.replayed
    )
    most = max(numbers.values(), default=0)
    return most if most >= 100 else 0


def _of_keys(count: KeyCount) -> Count:
    return lambda evidence, _: count(evidence)


COVERAGE: Mapping[str, tuple[str, Count]] = MappingProxyType(
    {
        "transfers": ("Transfers accepted", _accepted(Kind.TRANSFER)),
        "deposits": ("Deposits accepted", _accepted(Kind.DEPOSIT)),
        "insufficient_funds": ("Transfers refused for insufficient funds", _refused("INSUFFICIENT_FUNDS")),
        "wrong_input_refused": (
            "Invalid input refused",
            _refused("INVALID_AMOUNT", "SAME_ACCOUNT", "CURRENCY_MISMATCH", "ACCOUNT_NOT_FOUND"),
        ),
        "replays": ("Replays of an earlier answer for the same key", _replays),
        "key_conflicts": ("Keys refused because of other content", _refused("IDEMPOTENCY_KEY_REUSED")),
        "concurrent_duplicates": ("Keys sent twice at the same moment", _concurrent_duplicates),
        **{name: (title, _of_keys(count)) for name, (title, count) in KEY_COVERAGE.items()},
        **{name: (title, _of_keys(count)) for name, (title, count) in MONEY_COVERAGE.items()},
        **{name: (title, _of_keys(count)) for name, (title, count) in ATTACK_COVERAGE.items()},
        "closed_token_refused": ("Tokens of closed sessions refused", _closed_token),
        "cache_hits": ("Reads answered by the cache", lambda _, totals: int(cache_hits_and_misses(totals)[0])),
        "cache_misses": ("Reads with a cache miss", lambda _, totals: int(cache_hits_and_misses(totals)[1])),
        "household_answers": ("Answers with all accounts of a household", _household_answers),
        "hot_account_postings": ("Payments into the same account, at least 100", _hot_postings),
        "ledger_snapshots": ("Snapshots of the whole ledger", lambda evidence, _: len(evidence.snapshots)),
    }
)
"""The coverage by name: its title and its count."""


def coverage(scenario: Scenario, evidence: Evidence, totals: MetricsTotals) -> tuple[CoverageItem, ...]:
    """Count the situations of a run. Those that the scenario expects are required, and the others are for information.

    The effects of planned faults are required as well.
    """
    usual = tuple(
        CoverageItem(name, title, count(evidence, totals), required=name in scenario.expects)
        for name, (title, count) in COVERAGE.items()
    )
    return usual + fault_coverage(evidence.faults)
