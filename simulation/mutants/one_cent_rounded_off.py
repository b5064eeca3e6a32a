"""Every posting moves one cent less than requested. The books are consistent, but differ from the requests."""

from bank.ledger.policy import check_amount
from bank.refusal import Refusal
from bank.transfers import deposit, transfer, withdraw
from simulation.mutants.mutant import Mutant, patch


def _check_amount(amount: str, currency: str) -> int | Refusal:
    checked = check_amount(amount, currency)
    return checked if isinstance(checked, Refusal) or checked < 2 else checked - 1


def plant() -> None:
    """Let the use cases check amounts this way."""
    for use_case in (deposit, transfer, withdraw):
        patch(use_case, "check_amount", _check_amount)


MUTANT = Mutant(
    name="one_cent_rounded_off",
    explanation=__doc__ or "",
    caught_by=("balances_match_oracle",),
    plant=plant,
)
