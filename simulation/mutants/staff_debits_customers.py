"""Staff may debit the account of any customer."""

from typing import Any

from msgspec.structs import replace

from bank.transfers import transfer
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the decision on a transfer treat the caller as the owner of the debited account."""

    def _decide_transfer(command: Any, amount_minor: int, terms: Any) -> Any:
        decide = original(command, amount_minor, terms)

        def as_owner(books: Any) -> Any:
            account = books.accounts.get(command.from_id)
            if account is None:
                return decide(books)
            owned = {**books.accounts, account.id: replace(account, user_id=command.caller_id)}
            return decide(replace(books, accounts=owned))

        return as_owner

    original = patch(transfer, "decide_transfer", _decide_transfer)


MUTANT = Mutant(
    name="staff_debits_customers",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    warm_up=True,
)
