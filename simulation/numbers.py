"""Numbers as a person reads them."""

import math


def number(value: float) -> str:
    """Return `value` with three figures below a hundred, whole and grouped from there on; never in powers of ten."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return "below 0.001"
    return f"{value:.3g}"
