"""A second of the drive: what the bank counted in it, and what the machine did."""

from dataclasses import dataclass

from simulation.machine.seconds import Second
from simulation.metrics.read import MetricsTotals


@dataclass(frozen=True, slots=True)
class MeasuredSecond:
    """What the bank counted in a second of the drive, and what the machine did in it."""

    machine: Second
    totals: MetricsTotals
