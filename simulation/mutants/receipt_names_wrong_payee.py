"""A receipt names the payer as the one who was paid, in the first answer and in every retry's."""

from typing import Any

from msgspec.structs import replace

from bank.ledger.batch import Batch
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the batch write receipts this way."""

    def _receipt(self: Any, main: Any, fees: Any) -> Any:
        receipt = right(self, main, fees)
        return replace(receipt, credit_number=receipt.debit_number)

    right = patch(Batch, "_receipt", _receipt)


MUTANT = Mutant(
    name="receipt_names_wrong_payee",
    explanation=__doc__ or "",
    caught_by=("fields_match_rows",),
    plant=plant,
)
