"""Exponential backoff: the pause before the next attempt."""

from random import Random

# Most conflicts are over after this pause.
FIRST_S = 0.1
# Long enough for a failing handler to recover.
MAX_S = 5.0
# The longest pause while a database or Redis is unavailable: short, since an attempt costs only one round trip.
TRANSIENT_MAX_S = 0.5


def pause_s(attempt: int, random: Random, *, max_s: float = MAX_S) -> float:
    """Return the pause in seconds after the failed attempt number `attempt`, which counts from 0.

    The pause doubles with each attempt up to `max_s`. A random part of up to one half is subtracted, so that attempts
    which failed together are not repeated together.
    """
    # The exponent is bounded, because otherwise the power would overflow; from 16 on every pause is `max_s`.
    ceiling_s = min(max_s, FIRST_S * 2.0 ** min(attempt, 16))
    return ceiling_s * random.uniform(0.5, 1.0)
