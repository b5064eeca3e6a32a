"""The generator of the final reads, in which each person reads through every worker after all money has moved."""

from collections.abc import Sequence
from random import Random

from simulation.model.operations import Intent, Kind, Operation
from simulation.model.people import Person, Role

FINAL_READS_MAX = 2_000
"""The bound of final reads, which take some seconds. More reads would only find the same stale values more often."""


def draw_final_reads(random: Random, people: Sequence[Person], *, workers: int) -> list[Operation]:
    """Draw one read of all own accounts for each customer and worker, in random order, at most `FINAL_READS_MAX`.

    The cache may answer. A stale value at this time is never overwritten, so these reads find a stale value that would
    soon be overwritten during the drive.
    """
    reads = [
        Operation("final", 0, Kind.ME, Intent.PLAIN, person.index, worker, arm="cached")
        for person in people
        if person.role is not Role.TELLER
        for worker in range(workers)
    ]
    return random.sample(reads, min(len(reads), FINAL_READS_MAX))
