"""The HTML page with all results of a run, which loads nothing from the network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from simulation.model.numbers import number
from simulation.model.result import CriterionResult, RunResult
from simulation.report.facts import OUTCOMES, by_operation, count_outcomes, driven, information, timeline
from simulation.report.plots import draw_plots
from simulation.report.template import load_template
from simulation.report.wording import (
    SYMBOLS,
    fault_back,
    fault_moment,
    fault_takeover,
    first_trouble,
    headline,
    information_reason,
    machine_words,
    measured,
    span,
    with_unit,
)


@dataclass(frozen=True, slots=True)
class Gauge:
    """The positions of a criterion's measured value, bound and interval, in per cent of the bar's width.

    `better` is the side of the bound that passes, `left` or `right`.
    """

    value: float
    bound: float
    low: float
    high: float
    better: str


def gauge(criterion: CriterionResult) -> Gauge | None:
    """Return the bar of a criterion; None if nothing was measured or its target contains no number."""
    bound = next((float(word) for word in criterion.target.split() if _is_number(word)), None)
    if criterion.measured is None or bound is None:
        return None
    low, high = criterion.interval or (criterion.measured, criterion.measured)
    reach = max(criterion.measured, bound, high if math.isfinite(high) else 0.0)
    # A share has a scale to 100 %; other values have a scale to at least a third above the bound.
    full = 100.0 if criterion.unit == "%" and reach <= 100 else max(reach, bound * 4 / 3) * 1.02
    value, bound, low, high = (max(0.0, min(100.0, 100 * x / full)) for x in (criterion.measured, bound, low, high))
    return Gauge(value, bound, low, high, "left" if criterion.target.startswith("below") else "right")


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., Any]] = {
        "number": number,
        "symbol": SYMBOLS.__getitem__,
        "measured": measured,
        "span": span,
        "gauge": gauge,
    }
    filters |= {"fault_back": fault_back, "fault_moment": fault_moment, "fault_takeover": fault_takeover}
    return load_template("report.html.j2", filters=filters)


def render_page(result: RunResult) -> str:
    """Return the whole page as HTML. The SVG of the plots is the only markup that does not come from the template."""
    windows = timeline(result.samples, result.driven_s)
    return _template().render(
        run=result,
        with_unit=with_unit,
        headline=headline(result),
        trouble=first_trouble(result),
        aside=information_reason(result),
        machine=machine_words(result),
        plots=[(plot, Markup(plot.svg)) for plot in draw_plots(result)],  # noqa: S704 - drawn and escaped in svg.py
        operations=by_operation(result.samples),
        outcomes=OUTCOMES,
        totals=count_outcomes(driven(result.samples)),
        information=information(result),
        window_s=windows[0].to_s - windows[0].from_s if windows else 0.0,
        took_s=(result.finished_at - result.started_at).total_seconds(),
    )
