"""The generator of the warm-up before the drive: rare requests, races, and other situations that need a fixed sequence.

It is the same in every run except for amounts and keys, and takes some seconds. All checks examine it, but its times
are not measured. A trader and another person execute it with separate accounts.
"""

from collections.abc import Sequence
from random import Random

from simulation.model.operations import Operation
from simulation.model.people import Person, Role
from simulation.plan.warmup.reads import (
    add_account_reads,
    add_crossing_payments,
    add_logout,
    add_page_reads,
    add_racing_reads,
    add_reads_after_writes,
)
from simulation.plan.warmup.rules import (
    add_boundary_amounts,
    add_forbidden_requests,
    add_hold_expiries,
    add_key_conflicts,
    add_status_changes,
)
from simulation.plan.warmup.steps import TELLER, OperationGenerator, WarmupSteps


def draw_warmup(random: Random, generator: OperationGenerator, people: Sequence[Person]) -> list[Operation]:
    """Draw the operations of the warm-up."""
    ana = next(person.index for person in people if person.role is Role.TRADER)
    bia = next(p.index for p in people if p.index not in {TELLER, ana} and p.role is not Role.HOUSEHOLD)
    steps = WarmupSteps(random, generator, ana, bia)
    a, b = steps.open_account(ana, "900.00"), steps.open_account(ana, "90.00")
    c = steps.open_account(bia, "200.00")
    add_key_conflicts(steps, 200, a, b, c)
    add_forbidden_requests(steps, 900, a, c)
    add_boundary_amounts(steps, 1_000)
    add_status_changes(steps, 1_100)
    add_hold_expiries(steps, 1_200, a, c)
    add_racing_reads(steps, 1_500, a, b)
    add_crossing_payments(steps, 1_500)
    add_reads_after_writes(steps, 2_900, a, c)
    add_page_reads(steps, 3_300, a)
    add_account_reads(steps, 3_500, a, b)
    add_logout(steps, 3_700, a, c)
    return steps.operations
