"""No account of a customer is ever below zero or below the amount held on it.

This is checked in every answer, history, snapshot and entry. The events say which amount was held at which time:
after all changes of one transaction, the balance covers it.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.model.answers import (
    AccountHolds,
    Balance,
    Balances,
    BatchReceipt,
    HoldReceipt,
    OpenedAccount,
    Page,
    Statement,
    TransactionReceipt,
    receipts_in,
)
from simulation.model.attempts import Attempt
from simulation.model.numbers import reais
from simulation.model.result import CheckResult

NAME = "no_overdraft"
TITLE = "No account of a customer is ever below zero, or below the amount held on it"


def check(evidence: Evidence) -> CheckResult:
    """Examine every balance in an answer, snapshot or entry."""
    builder = CheckResultBuilder(NAME, TITLE)
    for attempt in evidence.attempts:
        for balance_minor in _balances_in(attempt):
            builder.examine()
            if balance_minor < 0:
                builder.add_violation(f"{attempt}: shows a balance of {reais(balance_minor)}", -balance_minor)
    for snapshot in evidence.snapshots:
        builder.examine(snapshot.accounts)
        for overdrawn in snapshot.overdrawn:
            builder.add_violation(f"{snapshot.at_s:.1f} s: {overdrawn}")
    if evidence.database is not None:
        for account in evidence.database.accounts.values():
            if account.kind != "CUSTOMER":
                continue
            for entry in evidence.database.entries.get(account.id, ()):
                builder.examine()
                if entry.balance_after_minor < 0:
                    text = f"account {account.number} is at {reais(entry.balance_after_minor)} after its entry"
                    builder.add_violation(f"{text} {entry.version}", -entry.balance_after_minor)
        _check_held_amounts(evidence.database, builder)
    return builder.result()


def _check_held_amounts(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Compare balance and amount held after each group of events that were written together."""
    balances: dict[str, int] = defaultdict(int)
    holds: dict[str, int] = {}
    held: dict[str, int] = defaultdict(int)
    for at_us, events in groupby(database.events, key=lambda event: event.at_us):
        touched: set[str] = set()
        for event in events:
            account_id, hold_id = str(event.data.get("account_id")), str(event.data.get("hold_id"))
            match event.event_type:
                case "BalanceUpdatedEvent":
                    balances[event.aggregate_id] = int(event.data["balance_minor"])
                    touched.add(event.aggregate_id)
                case "HoldAuthorizedEvent":
                    holds[hold_id] = int(event.data["amount_minor"])
                    held[account_id] += holds[hold_id]
                    touched.add(account_id)
                case "HoldCapturedEvent" | "HoldReleasedEvent" | "HoldExpiredEvent":
                    held[account_id] -= holds.pop(hold_id, 0)
        for account_id in sorted(touched & database.accounts.keys()):
            account = database.accounts[account_id]
            if account.kind != "CUSTOMER" or not held[account_id]:
                continue
            builder.examine()
            if balances[account_id] < held[account_id]:
                text = f"account {account.number} is at {reais(balances[account_id])} and {reais(held[account_id])} are"
                builder.add_violation(f"{text} held on it, {at_us / 1e6:.6f} s after the epoch", held[account_id])


def _balances_in(attempt: Attempt) -> Iterator[int]:
    """Yield the balances and the available balances of customers' accounts in an answer."""
    match attempt.answer:
        case Balances(balances=balances):
            yield from balances.values()
        case Balance(balance_minor=int(balance)) | OpenedAccount(balance_minor=balance):
            yield balance
        case TransactionReceipt() | BatchReceipt():
            for move in receipts_in(attempt.answer):
                if move.balance_after_minor is not None:
                    yield move.balance_after_minor
        case HoldReceipt(available_after_minor=available):
            yield available
        case AccountHolds(balance_minor=balance, available_minor=available):
            yield balance
            yield available
        case Statement(balance_at_minor=at, opening_minor=opening, closing_minor=closing, edges=edges):
            yield from (at, opening, closing)
            yield from (edge.balance_after_minor for edge in edges)
        case Page(balance_minor=int(balance), edges=edges):
            yield balance
            yield from (edge.balance_after_minor for edge in edges)
