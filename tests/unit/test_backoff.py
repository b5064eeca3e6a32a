"""Pauses grow up to a maximum, and are random."""

from itertools import pairwise
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank.backoff import FIRST_S, MAX_S, TRANSIENT_MAX_S, pause_s


# Drawing examples is slow on a busy machine, and this test is not about speed.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers())
def test_a_pause_is_between_half_and_all_of_its_step(attempt: int, seed: int) -> None:
    step_s = min(MAX_S, FIRST_S * 2.0 ** min(attempt, 100))
    assert step_s / 2 <= pause_s(attempt, Random(seed)) <= step_s


def test_steps_double_up_to_the_longest() -> None:
    class Last(Random):
        def random(self) -> float:
            return 1.0

    steps = [pause_s(attempt, Last()) for attempt in range(9)]
    assert steps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert all(later <= 2 * earlier for earlier, later in pairwise(steps))


def test_the_pauses_of_two_callers_differ() -> None:
    pauses = [pause_s(3, Random(seed)) for seed in range(20)]
    assert len(set(pauses)) == 20
    assert max(pauses) - min(pauses) > 0.2  # they are spread over half of 0.8 s


def test_the_pause_of_a_caller_that_waits_for_a_recovery_is_at_most_half_a_second() -> None:
    assert max(pause_s(attempt, Random(attempt), max_s=TRANSIENT_MAX_S) for attempt in range(1_000)) <= 0.5
