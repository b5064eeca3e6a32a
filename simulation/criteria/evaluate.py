"""The success criteria, read from `contracts/success_criteria.toml` and compared with a run."""

import math
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Literal, TypeAlias

from contracts import SUCCESS_CRITERIA
from simulation.criteria.measures import BETWEEN_WORKERS, MEASURES, Evidence, Measurement
from simulation.machine.seconds import disturbances
from simulation.metrics.seconds import MeasuredSecond
from simulation.model.metrics import MetricsTotals, merge
from simulation.model.numbers import number
from simulation.model.result import CriterionResult, OperationSample, Verdict

Bound: TypeAlias = Literal["at_least", "below"]

BOUNDS: tuple[Bound, ...] = ("at_least", "below")
TEXTS = ("id", "title", "spec", "measure", "unit", "how")
KEYS = frozenset((*TEXTS, *BOUNDS, "minimum_samples", "timing", "inexcusable"))


class CriteriaError(ValueError):
    """An error in the file of success criteria. The message is one sentence that names the entry."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One success criterion: `measure` names its measure, and `bound` and `limit` are its target.

    With `timing`, it depends on time. Such a criterion is no evidence against the bank while the machine is disturbed,
    unless the value is worse than `inexcusable`, which no load explains.
    """

    id: str
    title: str
    spec: str
    measure: str
    unit: str
    how: str
    bound: Bound
    limit: float
    minimum_samples: int
    timing: bool
    inexcusable: float | None = None

    @property
    def target(self) -> str:
        """The target in words, such as `at least 80 %`."""
        return f"{self.bound.replace('_', ' ')} {self.limit:g} {self.unit}"

    def is_inexcusable(self, measurement: Measurement) -> bool:
        """Return whether the measured value is certainly worse than any load can explain."""
        if self.inexcusable is None or measurement.interval is None or measurement.samples < self.minimum_samples:
            return False
        lower, upper = measurement.interval
        return upper < self.inexcusable if self.bound == "at_least" else lower > self.inexcusable

    def verdict(self, lower: float, upper: float) -> Verdict:
        """Return the verdict on a value between `lower` and `upper`, in the unit of the criterion."""
        if self.bound == "at_least":
            return Verdict.PASS if lower >= self.limit else Verdict.FAIL if upper < self.limit else Verdict.UNKNOWN
        # An upper end equal to the limit passes, because a percentile just below it is in a bucket that ends there.
        return Verdict.FAIL if lower >= self.limit else Verdict.PASS if upper <= self.limit else Verdict.UNKNOWN


def load_criteria(source: Traversable = SUCCESS_CRITERIA) -> tuple[Criterion, ...]:
    """Read the criteria, in the order of the file. Raises CriteriaError for the first invalid entry."""
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CriteriaError(f"{source.name} cannot be read: {error}") from error
    entries = document.pop("criterion", None)
    if document or not isinstance(entries, list) or not entries:
        raise CriteriaError(f"{source.name} must consist of [[criterion]] tables and nothing else")
    criteria = tuple(_criterion(source.name, number, entry) for number, entry in enumerate(entries, start=1))
    ids = [criterion.id for criterion in criteria]
    twice = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    if twice:
        raise CriteriaError(f'{source.name} has more than one criterion "{twice[0]}"')
    return criteria


def _criterion(file: str, number: int, entry: Mapping[str, object]) -> Criterion:
    where = f"{file}, criterion {number} ({entry.get('id', 'without id')})"
    unknown = sorted(entry.keys() - KEYS)
    if unknown:
        raise CriteriaError(f"{where}: {unknown[0]} is not one of {', '.join(sorted(KEYS))}")
    texts: dict[str, str] = {}
    for key in TEXTS:
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            raise CriteriaError(f"{where}: {key} must be a text")
        texts[key] = " ".join(value.split())
    if texts["measure"] not in MEASURES:
        raise CriteriaError(f'{where}: measure is "{texts["measure"]}", not one of {", ".join(sorted(MEASURES))}')
    bounds = [bound for bound in BOUNDS if bound in entry]
    if len(bounds) != 1:
        raise CriteriaError(f"{where}: exactly one of {' and '.join(BOUNDS)} must be given")
    limit = entry[bounds[0]]
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
        raise CriteriaError(f"{where}: {bounds[0]} must be a number")
    minimum = entry.get("minimum_samples")
    if isinstance(minimum, bool) or not isinstance(minimum, int) or minimum < 1:
        raise CriteriaError(f"{where}: minimum_samples must be a whole number of at least 1")
    timing = entry.get("timing")
    if not isinstance(timing, bool):
        raise CriteriaError(f"{where}: timing must be true or false")
    inexcusable = entry.get("inexcusable")
    if inexcusable is not None and (isinstance(inexcusable, bool) or not isinstance(inexcusable, int | float)):
        raise CriteriaError(f"{where}: inexcusable must be a number")
    return Criterion(
        **texts,
        bound=bounds[0],
        limit=float(limit),
        minimum_samples=minimum,
        timing=timing,
        inexcusable=None if inexcusable is None else float(inexcusable),
    )


def evaluate(
    criteria: Sequence[Criterion],
    samples: Sequence[OperationSample],
    totals: MetricsTotals,
    *,
    seed: int,
    workers: int = 1,
    seconds: Sequence[MeasuredSecond] = (),
    required: Collection[str] | None = None,
) -> tuple[CriterionResult, ...]:
    """Evaluate every criterion for a run.

    `seconds` are the bank's counts and the use of the machine in each second. `required` contains the ids of the
    criteria that the scenario measures, or is None for all; the others are measured for information. With one worker,
    the measures between workers are left out. Raises CriteriaError if `required` contains an unknown id.
    """
    missing = sorted(set(required or ()) - {criterion.id for criterion in criteria})
    if missing:
        raise CriteriaError(f'the scenario asks for the criterion "{missing[0]}", and there is none of that name')
    everything = Evidence(samples, totals, seed, [second.totals for second in seconds], workers)
    reasons = disturbances([second.machine for second in seconds])
    quiet = _quiet(everything, seconds, reasons) if any(reasons) else None
    return tuple(
        judge(
            criterion,
            MEASURES[criterion.measure](everything),
            quiet=Quiet(MEASURES[criterion.measure](quiet), reasons) if quiet is not None else None,
            required=required is None or criterion.id in required,
        )
        for criterion in criteria
        if workers > 1 or criterion.measure not in BETWEEN_WORKERS
    )


@dataclass(frozen=True, slots=True)
class Quiet:
    """The measurement in the seconds without a disturbance.

    `reasons` has an entry for each second of the run, which is empty if nothing disturbed it.
    """

    measurement: Measurement
    reasons: Sequence[str]

    @property
    def count(self) -> int:
        """The number of these seconds."""
        return sum(not why for why in self.reasons)

    @property
    def main_reason(self) -> str:
        """The first disturbance of the most frequent kind."""
        found = [why for why in self.reasons if why]
        kinds = Counter(why.split(" ")[0] for why in found)
        return next(why for why in found if why.startswith(kinds.most_common(1)[0][0]))


def _quiet(everything: Evidence, seconds: Sequence[MeasuredSecond], reasons: Sequence[str]) -> Evidence:
    """Return the evidence without the samples and totals that overlap with disturbed seconds."""
    disturbed = [second.machine for second, why in zip(seconds, reasons, strict=True) if why]
    windows = [second.totals for second, why in zip(seconds, reasons, strict=True) if not why]

    def is_quiet(sample: OperationSample) -> bool:
        begin_s, end_s = sample.intended_start_s, sample.intended_start_s + sample.latency_ms / 1000
        return not any(begin_s < second.to_s and second.from_s < end_s for second in disturbed)

    samples = [sample for sample in everything.samples if is_quiet(sample)]
    return Evidence(samples, merge(windows), everything.seed, windows, everything.workers)


def judge(
    criterion: Criterion, measurement: Measurement, *, quiet: Quiet | None = None, required: bool = True
) -> CriterionResult:
    """Return the result of one measurement: PASS or FAIL if the bound is outside of its interval, otherwise UNKNOWN.

    If a timing criterion does not pass on a disturbed machine, the measurement of the `quiet` seconds is used.
    """
    verdict, note = _verdict(criterion, measurement)
    excused = criterion.timing and not criterion.is_inexcusable(measurement)
    if quiet is not None and excused and verdict is not Verdict.PASS:
        calm, why = _verdict(criterion, quiet.measurement)
        mostly = 2 * quiet.count >= len(quiet.reasons)
        if calm is Verdict.FAIL or (calm is Verdict.PASS and mostly):
            # A miss in quiet seconds is the bank's own; a pass counts only if at least half of the seconds were quiet.
            verdict, measurement = calm, quiet.measurement
            note = f"measured in the {quiet.count} of {len(quiet.reasons)} seconds that nothing else disturbed"
        else:
            verdict = Verdict.UNKNOWN
            disturbed = len(quiet.reasons) - quiet.count
            note = (
                f"the machine was disturbed in {disturbed} of {len(quiet.reasons)} seconds "
                f"(such as: {quiet.main_reason}), and the others do not decide: {why or 'they are too few'}"
            )
    return CriterionResult(
        id=criterion.id,
        title=criterion.title,
        spec=criterion.spec,
        unit=criterion.unit,
        target=criterion.target,
        measured=measurement.value,
        samples=measurement.samples,
        verdict=verdict,
        how=criterion.how,
        interval=measurement.interval,
        note="; ".join(text for text in (note, measurement.note) if text),
        required=required,
        timing=criterion.timing,
    )


def _verdict(criterion: Criterion, measurement: Measurement) -> tuple[Verdict, str]:
    if measurement.value is None or measurement.samples < criterion.minimum_samples:
        return Verdict.UNKNOWN, f"{measurement.samples} samples, {criterion.minimum_samples} are needed to tell"
    lower, upper = measurement.interval or (measurement.value, measurement.value)
    verdict = criterion.verdict(lower, upper)
    if verdict is not Verdict.UNKNOWN:
        return verdict, ""
    span = f"{number(lower)} to {number(upper)} {criterion.unit}"
    if measurement.bracket:
        return verdict, f"the histogram only tells that it is {span}; it needs an edge at the bound"
    return verdict, f"{span} is on both sides of the bound"
