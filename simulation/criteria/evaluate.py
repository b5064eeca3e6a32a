"""The success criteria of the spec, read from `contracts/success_criteria.toml` and held against a run."""

import math
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Literal, TypeAlias

from contracts import SUCCESS_CRITERIA
from simulation.criteria.measures import MEASURES, Evidence, Measurement
from simulation.metrics.read import MetricsTotals
from simulation.result import CriterionResult, OperationSample, Verdict

Bound: TypeAlias = Literal["at_least", "below"]

BOUNDS: tuple[Bound, ...] = ("at_least", "below")
TEXTS = ("id", "title", "spec", "measure", "unit", "how")
KEYS = frozenset((*TEXTS, *BOUNDS, "minimum_samples"))


class CriteriaError(ValueError):
    """The file of success criteria cannot be judged by; the message is one sentence that names the entry."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One target: `measure` names how it is measured, `bound` and `limit` what it must keep."""

    id: str
    title: str
    spec: str
    measure: str
    unit: str
    how: str
    bound: Bound
    limit: float
    minimum_samples: int

    @property
    def target(self) -> str:
        """The target in words, such as `at least 80 %`."""
        return f"{self.bound.replace('_', ' ')} {self.limit:g} {self.unit}"

    def holds(self, value: float) -> bool:
        """Tell whether `value`, in the criterion's unit, keeps the bound."""
        return value >= self.limit if self.bound == "at_least" else value < self.limit


def load_criteria(source: Traversable = SUCCESS_CRITERIA) -> tuple[Criterion, ...]:
    """Read the criteria, in the file's order. Raises CriteriaError at the first wrong entry."""
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
    return Criterion(**texts, bound=bounds[0], limit=float(limit), minimum_samples=minimum)


def evaluate(
    criteria: Sequence[Criterion],
    samples: Sequence[OperationSample],
    totals: MetricsTotals,
    *,
    seed: int,
    required: Collection[str] | None = None,
) -> tuple[CriterionResult, ...]:
    """Hold a run against every criterion.

    `required` holds the ids that the scenario sets out to measure, None meaning all: what is outside of it is measured
    for information. Raises CriteriaError where `required` names a criterion that there is not.
    """
    missing = sorted(set(required or ()) - {criterion.id for criterion in criteria})
    if missing:
        raise CriteriaError(f'the scenario asks for the criterion "{missing[0]}", and there is none of that name')
    evidence = Evidence(samples, totals, seed)
    return tuple(
        judge(criterion, MEASURES[criterion.measure](evidence), required=required is None or criterion.id in required)
        for criterion in criteria
    )


def judge(criterion: Criterion, measurement: Measurement, *, required: bool = True) -> CriterionResult:
    """Give the verdict on one measurement: the point value decides, the interval is shown."""
    verdict, note = _verdict(criterion, measurement)
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
    )


def _verdict(criterion: Criterion, measurement: Measurement) -> tuple[Verdict, str]:
    if measurement.value is None or measurement.samples < criterion.minimum_samples:
        return Verdict.UNKNOWN, f"{measurement.samples} samples, {criterion.minimum_samples} are needed to tell"
    if measurement.bracket and measurement.interval:
        lower, upper = measurement.interval
        if lower < criterion.limit < upper:
            span = f"{lower:g} to {upper:g} {criterion.unit}"
            return Verdict.UNKNOWN, f"the histogram only tells that it is {span}; it needs an edge at the bound"
    return (Verdict.PASS if criterion.holds(measurement.value) else Verdict.FAIL), ""
