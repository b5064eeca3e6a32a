"""A second of the drive: what the bank counted in it, and what the machine did."""

from dataclasses import dataclass

from simulation.machine.seconds import Second
from simulation.metrics.read import MetricsTotals


@dataclass(frozen=True, slots=True)
class MeasuredSecond:
    """The bank's counts in one second of the drive, and the use of the machine in it."""

    machine: Second
    totals: MetricsTotals
