"""Clicks: the repetitions of a request that a person intends to send once."""

from dataclasses import replace
from random import Random

from simulation.model.operations import KEYED_KINDS, Intent, Operation
from simulation.model.scenario import Scenario


def clicked(random: Random, scenario: Scenario, operation: Operation) -> list[Operation]:
    """Return the operation with its repetitions: one at the same moment and one later, both through the next worker."""
    if scenario.clicks < 3 or operation.kind not in KEYED_KINDS:
        return [operation]
    second = replace(operation, intent=Intent.DUPLICATE, slot=operation.slot + 1, follows=operation)
    later = operation.at_ns + (random.randrange(300_000_000, 2_000_000_000) if operation.phase == "drive" else 0)
    third = replace(second, intent=Intent.REPLAY, at_ns=later, waits=True)
    return [operation, second, third]
