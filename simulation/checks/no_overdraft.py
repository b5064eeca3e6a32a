"""No customer's account is ever below zero: in no answer, no line of any history, no snapshot, no entry."""

from collections.abc import Iterator

from simulation.answers import Balance, Balances, Moved, Opened, Page
from simulation.checks.tally import Tally, reais
from simulation.evidence import Evidence
from simulation.history import Attempt
from simulation.result import CheckResult

NAME = "no_overdraft"
TITLE = "No customer's account is ever below zero"


def check(evidence: Evidence) -> CheckResult:
    """Look at every balance that anybody saw, and at every entry."""
    tally = Tally(NAME, TITLE)
    for attempt in evidence.attempts:
        for balance_minor in _shown(attempt):
            tally.look()
            if balance_minor < 0:
                tally.broke(f"{attempt}: shows a balance of {reais(balance_minor)}", -balance_minor)
    for snapshot in evidence.snapshots:
        tally.look(snapshot.accounts)
        for overdrawn in snapshot.overdrawn:
            tally.broke(f"{snapshot.at_s:.1f} s: {overdrawn}")
    if evidence.facts is not None:
        for account in evidence.facts.accounts.values():
            if account.kind != "CUSTOMER":
                continue
            for entry in evidence.facts.entries.get(account.id, ()):
                tally.look()
                if entry.balance_after_minor < 0:
                    text = f"account {account.number} is at {reais(entry.balance_after_minor)} after its entry"
                    tally.broke(f"{text} {entry.version}", -entry.balance_after_minor)
    return tally.result()


def _shown(attempt: Attempt) -> Iterator[int]:
    """Yield the balances of customers' accounts that an answer shows."""
    match attempt.answer:
        case Balances(balances=balances):
            yield from balances.values()
        case Balance(balance_minor=int(balance)) | Opened(balance_minor=balance):
            yield balance
        case Moved(balance_after_minor=balance):
            yield balance
        case Page(balance_minor=int(balance), edges=edges):
            yield balance
            yield from (edge.balance_after_minor for edge in edges)
