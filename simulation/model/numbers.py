"""Numbers as a person reads them."""

import math
from collections.abc import Sequence


def number(value: float) -> str:
    """Return `value` with three figures below a hundred, whole and grouped from there on; never in powers of ten."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return "below 0.001"
    return f"{value:.3g}"


def percentile(ascending: Sequence[float], q: float) -> float:
    """Return the value that a share `q` (0 to 1) of `ascending`, not empty, lies at or below (nearest rank)."""
    return ascending[max(0, math.ceil(q * len(ascending)) - 1)]


def reais(amount_minor: int) -> str:
    """Write an amount for a person, such as R$ -10.50."""
    sign = "-" if amount_minor < 0 else ""
    return f"R$ {sign}{abs(amount_minor) // 100}.{abs(amount_minor) % 100:02d}"
