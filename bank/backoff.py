"""The pause before the next attempt."""

from random import Random

# Most conflicts are over by then.
FIRST_S = 0.1
# A handler that fails is given time to recover.
MAX_S = 5.0
# Whoever waits for a database or for Redis to come back finds out within this: one attempt costs a round trip.
PASSING_MAX_S = 0.5


def pause_s(attempt: int, random: Random, *, max_s: float = MAX_S) -> float:
    """Return the pause after the failed attempt number `attempt`, which counts from 0, in seconds.

    Doubled each time up to `max_s`, less up to half of it by chance: what failed together does not try again together.
    """
    # Past the exponent 16 every pause is the longest one; without a bound the power would grow for ever.
    ceiling_s = min(max_s, FIRST_S * 2.0 ** min(attempt, 16))
    return ceiling_s * random.uniform(0.5, 1.0)
