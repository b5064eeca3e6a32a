"""Numbers in the form in which a person reads them."""

import math
from collections.abc import Sequence


def number(value: float) -> str:
    """Return `value` with three digits below a hundred, and whole and grouped above; never in powers of ten."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return "below 0.001"
    return f"{value:.3g}"


def percentile(ascending: Sequence[float], q: float) -> float:
    """Return the `q` quantile (0 to 1) of the sorted, not empty `ascending`, by the nearest-rank method."""
    return ascending[max(0, math.ceil(q * len(ascending)) - 1)]


def reais(amount_minor: int) -> str:
    """Format an amount for a person, such as R$ -10.50."""
    sign = "-" if amount_minor < 0 else ""
    return f"R$ {sign}{abs(amount_minor) // 100}.{abs(amount_minor) % 100:02d}"
