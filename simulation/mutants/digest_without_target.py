"""A key stands for its request whoever is paid: the payee is not part of what is compared."""

from typing import Any

from bank.transfers import submit
from simulation.mutants.mutant import Mutant, patch


def _content(command: Any, amount_minor: int) -> tuple[object, ...]:
    return amount_minor, command.currency, command.description


def plant() -> None:
    """Leave the target account out."""
    patch(submit, "_content", _content)


MUTANT = Mutant(
    name="digest_without_target",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
    warm_up=True,
)
