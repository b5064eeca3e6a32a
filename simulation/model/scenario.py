"""The shape of a scenario, from which a plan is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulation.model.protection import Protection
from simulation.model.terms import FREE, Terms

ALL_CRITERIA = frozenset(
    {
        "cached_reads_are_faster",
        "database_time_of_cached_operations",
        "event_latency",
        "event_latency_between_workers",
        "cache_hit_ratio",
    }
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The shape of a run. `mix` has the weights of the actions; the sizes are defaults that the caller may change.

    `clicks` is the number of times that a mutation that moves money is sent: 1, or 3 for twice at the same moment and
    once more later. The second and third request are additional to `rate`. With `one_merchant`, every payment goes to
    the same account. `employers` is the number of people who pay salaries. `attackers` is the number of attackers, who
    are not among the `people`. `terms` are the fees of the bank. With `protection`, the bank has rate limits, and each
    person has a client address of their own.
    `expects` names the coverage that must occur, and `criteria` the success criteria that the scenario measures.
    """

    name: str
    summary: str
    mix: Mapping[str, float]
    people: int
    duration_s: float
    rate: float
    workers: int
    expects: frozenset[str]
    criteria: frozenset[str]
    clicks: int = 1
    one_merchant: bool = False
    household_share: float = 0.25
    employers: int = 0
    attackers: int = 0
    terms: Terms = FREE
    protection: Protection | None = None
