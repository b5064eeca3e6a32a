"""Failed logins of many accounts from one network are recorded, but no rule finds them."""

from collections.abc import Iterator
from typing import Any

from bank.security import watch
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the rule of credential stuffing find nothing."""

    def find_nothing(*_: Any) -> Iterator[Any]:
        return iter(())

    patch(watch, "find_stuffing", find_nothing)


MUTANT = Mutant(
    name="stuffing_not_detected",
    explanation=__doc__ or "",
    caught_by=("only_attackers_are_suspected",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
