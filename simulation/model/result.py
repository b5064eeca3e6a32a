"""The results of a run, which the drive and the checks write, and the report and the exit code read.

Times called `*_s` are seconds since the start of the drive; times of the setup are negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, TypeAlias

from simulation.model.attempts import Outcome
from simulation.model.machine import MachineFacts, Second
from simulation.model.metrics import MetricsTotals
from simulation.model.operations import Arm

Phase: TypeAlias = Literal["setup", "drive", "drain"]


class Verdict(Enum):
    """The verdict of a check, a criterion or a run. UNKNOWN means that the evidence does not decide; it is not PASS."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: the number of things that it `examined`, and the `count` and texts of violations.

    `violations` may have fewer texts than `count`, because some of them, the first one first, are enough to read.
    """

    name: str
    title: str
    verdict: Verdict
    examined: int
    count: int
    violations: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """The result of one success criterion.

    `interval` contains the true value with 95 % confidence, or with certainty, as `how` states. `required` is false if
    the load of the scenario is not made for this measurement; the numbers are then for information, and do not change
    the verdict of the run. `timing` criteria measure time, which depends on the machine as well as on the bank.
    """

    id: str
    title: str
    spec: str
    unit: str
    target: str
    measured: float | None
    samples: int
    verdict: Verdict
    how: str
    interval: tuple[float, float] | None = None
    note: str = ""
    required: bool = True
    timing: bool = True


@dataclass(frozen=True, slots=True)
class CoverageItem:
    """A situation that must occur in a run for a valid test. If it never occurs, the run does not pass."""

    name: str
    title: str
    seen: int
    required: bool = True


@dataclass(frozen=True, slots=True)
class OperationSample:
    """One request. `latency_ms` is the time from the intended start to the complete answer, so it includes a stall.

    `service_ms` is the duration that the bank reports for the answer; without an answer, it is the time since sending.
    """

    operation: str
    arm: Arm | None
    phase: Phase
    intended_start_s: float
    latency_ms: float
    service_ms: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class MetricSample:
    """The metrics of the time between the previous sample and `at_s`, which `measure_interval` calculates."""

    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WorkerRestart:
    """A stop and start of a worker of the bank during the drive."""

    at_s: float
    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class FaultResult:
    """The result of a fault, and of the recovery of the service after it.

    `seen` counts the real effects of the fault. `hurt` counts the requests until the recovery that got no answer, or an
    answer that asks for a retry. `back_s` is the time from the end of the fault to the recovery; None if the service
    did not recover in the time that was observed. `takeover_s` is the time for which no worker served the subscribers
    of a dead worker; None if it was not measured.
    """

    name: str
    title: str
    planned_s: float
    began_s: float | None
    ended_s: float | None
    detail: str
    seen: int
    hurt: int
    back_s: float | None
    takeover_s: float | None
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The requests of all attacks of one kind, and their answers.

    Of the `requests` of attackers, `refused` counts those with a refusal, of which a rate limit refused `throttled`.
    `served` counts the others with an answer, such as a read that shows nothing. `victims` counts the requests of the
    victims.
    """

    kind: str
    title: str
    attacks: int
    requests: int
    served: int
    refused: int
    throttled: int
    victims: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a text, such as a log or the entries of an account, that explain a violation or a failed step."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncompleteRun:
    """A run without a verdict: the step in which it ended, the reason, and excerpts that explain it."""

    scenario: str
    seed: int
    plan_hash: str
    backend: str
    started_at: datetime
    finished_at: datetime
    replay_command: str
    step: str
    reason: str
    excerpts: tuple[Excerpt, ...] = ()

    exit_code = 2
    """The exit code of a run that has no result."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """All results of one run, for the report and for a pipeline. `rate` is the planned operations per second.

    `first_violation` contains the excerpts about the first violation, and `kept_database` the folder of the kept
    database. The drive took the planned `duration_s`, and `overtime_s` more until the success criteria were decided.
    `seconds` describe the use of the machine during the drive.
    """

    scenario: str
    seed: int
    plan_hash: str
    backend: str
    workers: int
    people: int
    duration_s: float
    rate: float
    started_at: datetime
    finished_at: datetime
    replay_command: str
    criteria: tuple[CriterionResult, ...]
    checks: tuple[CheckResult, ...]
    coverage: tuple[CoverageItem, ...]
    samples: tuple[OperationSample, ...]
    metrics: tuple[MetricSample, ...] = ()
    totals: MetricsTotals = field(default_factory=MetricsTotals)
    worker_restarts: tuple[WorkerRestart, ...] = ()
    faults: tuple[FaultResult, ...] = ()
    attacks: tuple[AttackResult, ...] = ()
    notes: tuple[str, ...] = ()
    first_violation: tuple[Excerpt, ...] = ()
    kept_database: str | None = None
    overtime_s: float = 0.0
    seconds: tuple[Second, ...] = ()
    machine: MachineFacts | None = None

    @property
    def driven_s(self) -> float:
        """The length of the drive in seconds."""
        return self.duration_s + self.overtime_s

    @property
    def verdict(self) -> Verdict:
        """FAIL if anything failed; otherwise UNKNOWN if anything is undecided or did not occur; otherwise PASS."""
        verdicts = [check.verdict for check in self.checks]
        verdicts += [criterion.verdict for criterion in self.criteria if criterion.required]
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        unseen = any(coverage_item.required and not coverage_item.seen for coverage_item in self.coverage)
        if Verdict.UNKNOWN in verdicts or unseen or not self.checks:
            return Verdict.UNKNOWN
        return Verdict.PASS

    @property
    def only_times_undecided(self) -> bool:
        """Return whether only timing criteria prevent PASS, because other work of the machine disturbed them."""
        counting = [criterion for criterion in self.criteria if criterion.required]
        decided = [criterion.verdict for criterion in counting if not criterion.timing]
        decided += [check.verdict for check in self.checks]
        unseen = any(coverage_item.required and not coverage_item.seen for coverage_item in self.coverage)
        return self.verdict is Verdict.UNKNOWN and bool(self.checks) and set(decided) == {Verdict.PASS} and not unseen

    @property
    def exit_code(self) -> int:
        """The exit code: 0 for PASS, 1 for FAIL, 3 for UNKNOWN. Exit code 2 means that the run has no result."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 3}[self.verdict]
