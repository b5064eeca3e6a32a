"""Drawing the reads at the very end: everybody looks once more through every worker, when nothing moves any more."""

from collections.abc import Sequence
from random import Random

from simulation.model.operations import Intent, Kind, Operation
from simulation.model.people import Person, Role

FINAL_READS_MAX = 2_000
"""A few seconds of reads: more would not find another kind of stale value, only the same one more often."""


def draw_final_reads(random: Random, people: Sequence[Person], *, workers: int) -> list[Operation]:
    """Draw one look at all own accounts for each customer and worker, in random order, `FINAL_READS_MAX` at most.

    The cache may answer. What it holds then stays wrong for good, so that a stale value which is overwritten a moment
    later in busy times is seen here.
    """
    reads = [
        Operation("final", 0, Kind.ME, Intent.PLAIN, person.index, worker, arm="cached")
        for person in people
        if person.role is not Role.TELLER
        for worker in range(workers)
    ]
    return random.sample(reads, min(len(reads), FINAL_READS_MAX))
