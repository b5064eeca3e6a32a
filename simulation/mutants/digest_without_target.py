"""The digest of a transfer does not contain the payee."""

from typing import Any

from bank.transfers import transfer
from simulation.mutants.mutant import Mutant, patch


def _transfer_content(command: Any, amount_minor: int) -> tuple[object, ...]:
    return str(command.from_id), amount_minor, command.currency, command.description


def plant() -> None:
    """Leave the target account out."""
    patch(transfer, "transfer_content", _transfer_content)


MUTANT = Mutant(
    name="digest_without_target",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    scenario="retries",
    warm_up=True,
)
