"""A receipt names the payer as the payee, in the first answer and in every replay."""

from typing import Any

from msgspec.structs import replace

from bank.idempotency.outcomes import HoldReceipt, Receipt
from bank.ledger import batch
from simulation.mutants.mutant import Mutant, patch


def _wrong(result: Any) -> Any:
    match result:
        case Receipt():
            return replace(result, credit_number=result.debit_number)
        case HoldReceipt(receipt=Receipt() as receipt):
            return replace(result, receipt=_wrong(receipt))
        case _:
            return result


def plant() -> None:
    """Let the batch return and store receipts this way."""

    def encode_outcome(result: Any) -> str:
        return str(original_encode(_wrong(result)))

    def decide(decided: batch.Batch, command: Any) -> Any:
        outcome = original_decide(decided, command)
        result = getattr(outcome, "result", None)
        return outcome if result is None else replace(outcome, result=_wrong(result))

    original_encode = patch(batch, "encode_outcome", encode_outcome)
    original_decide = patch(batch.Batch, "decide", decide)


MUTANT = Mutant(
    name="receipt_names_wrong_payee",
    explanation=__doc__ or "",
    caught_by=("fields_match_rows",),
    plant=plant,
)
