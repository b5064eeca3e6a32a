"""All clients share one quota, so the burst of an attacker throttles everybody."""

from bank.security import rate_limits
from simulation.mutants.mutant import Mutant, patch


def _everybody(_address: str | None) -> str:
    return "everybody"


def plant() -> None:
    """Count the requests of all addresses as those of one network."""
    patch(rate_limits, "network_of", _everybody)


MUTANT = Mutant(
    name="limits_shared_by_all_clients",
    explanation=__doc__ or "",
    caught_by=("honest_people_are_served",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
