"""The accounts and balances that a response to a read shows, for several checks."""

from collections.abc import Iterator

from simulation.model.answers import AccountHolds, Balance, Balances, Page
from simulation.model.attempts import Attempt
from simulation.model.operations import Intent


def displayed_balances(attempt: Attempt) -> Iterator[tuple[str, int]]:
    """Yield the id and the balance of each account in the answer to a read."""
    match attempt.answer:
        case Balances(balances=balances):
            yield from balances.items()
        case Balance(account_id=str(account_id), balance_minor=int(balance)):
            yield account_id, balance
        case AccountHolds(account_id=account_id, balance_minor=balance):
            yield account_id, balance
        case Page(account_id=str(account_id), balance_minor=int(balance)):
            yield account_id, balance


def is_first_page(attempt: Attempt) -> bool:
    """Return whether the answer is the newest page of a history."""
    return isinstance(attempt.answer, Page) and attempt.operation.intent is not Intent.NEXT_PAGE
