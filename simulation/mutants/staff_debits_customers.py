"""Staff may move money out of anybody's account, as if it were their own."""

from typing import Any

from msgspec.structs import replace

from bank.transfers import submit
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let a transfer be decided as its owner's."""

    def _decide_transfer(*, caller_id: Any, from_id: Any, **more: Any) -> Any:
        decide = right(caller_id=caller_id, from_id=from_id, **more)

        def as_owner(books: Any) -> Any:
            account = books.accounts.get(from_id)
            if account is None:
                return decide(books)
            return decide(replace(books, accounts={**books.accounts, from_id: replace(account, user_id=caller_id)}))

        return as_owner

    right = patch(submit, "decide_transfer", _decide_transfer)


MUTANT = Mutant(
    name="staff_debits_customers",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    warm_up=True,
)
