"""The results of a run: the drive and the checks write them, the report and the exit code read them.

Times called `*_s` are seconds since driving began; the setup before it is negative.
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
    """Passed, failed, or not to be told from what was seen. Unknown is never passed."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One safety property: what it looked at (`examined` things), how often it was broken, and by what, first first.

    `violations` may hold fewer texts than `count`: the first ones say enough.
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
    """One success criterion. `interval` holds the true value with 95 % confidence, or certainly, as `how` says.

    `required` is false where the scenario does not set out to measure it, because of what it does to the bank: the
    numbers are then for information, and leave the verdict of the run alone. `timing` criteria are about time, which
    belongs to the machine as well as to the bank.
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
    """Something that a run must have seen to have tested what it claims. Never seen is not passed."""

    name: str
    title: str
    seen: int
    required: bool = True


@dataclass(frozen=True, slots=True)
class OperationSample:
    """One request. `latency_ms` counts from the intended start to the answer in hand, so a stall is in it.

    `service_ms` is what the bank says that the answer took it; where there was no answer, the time since sending.
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
    """The metrics of the time between the sample before and `at_s`; made by `measure_interval`."""

    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WorkerRestart:
    """A worker of the bank that was stopped and started while people were banking."""

    at_s: float
    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class FaultResult:
    """Something that was broken on purpose, and how the service came back.

    `seen` counts how much of the fault was really there, `hurt` the requests that were told to try again, or nothing,
    until the service was back, which was `back_s` after the fault's end (None: not while anybody looked). `takeover_s`
    is how long a dead worker's subscribers were served by nobody, where that was looked at.
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
class Excerpt:
    """Lines of something, such as a log or an account's entries, to be read beside a violation or a failed step."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncompleteRun:
    """A run that did not come to a verdict: in which step it ended, why, and what that step has left to read."""

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
    """Could not run."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything a person or a gate wants to know about one run. `rate` is operations per second as planned.

    `first_violation` is what there is to read about the first thing that was wrong; `kept_database` the folder in
    which the database was left. People banked for `duration_s`, as planned, and for `overtime_s` more until the
    success criteria were decided; `seconds` say what the machine did meanwhile.
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
    notes: tuple[str, ...] = ()
    first_violation: tuple[Excerpt, ...] = ()
    kept_database: str | None = None
    overtime_s: float = 0.0
    seconds: tuple[Second, ...] = ()
    machine: MachineFacts | None = None

    @property
    def driven_s(self) -> float:
        """For how many seconds people banked."""
        return self.duration_s + self.overtime_s

    @property
    def verdict(self) -> Verdict:
        """FAIL where anything failed; else UNKNOWN where anything could not be told or was never seen; else PASS."""
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
        """Return whether PASS is missed only because times could not be told from what else the machine did."""
        counting = [criterion for criterion in self.criteria if criterion.required]
        decided = [criterion.verdict for criterion in counting if not criterion.timing]
        decided += [check.verdict for check in self.checks]
        unseen = any(coverage_item.required and not coverage_item.seen for coverage_item in self.coverage)
        return self.verdict is Verdict.UNKNOWN and bool(self.checks) and set(decided) == {Verdict.PASS} and not unseen

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 unknown. 2, could not run, has no result."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 3}[self.verdict]
