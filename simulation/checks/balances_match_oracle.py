"""The books say what the oracle says: each account holds what the people's requests and the bank's answers add up to.

So does what is held on it, and each transaction moved what was asked for, its fee on top.

Outcomes of which nobody was told are taken from the books; amounts never are.
"""

from collections import defaultdict
from collections.abc import Mapping

from simulation.checks.tally import NO_FACTS, Tally, reais
from simulation.judge.effects import FEES, OUTSIDE, Promise
from simulation.judge.evidence import Evidence
from simulation.judge.facts import Facts, HoldRow, TransactionRow
from simulation.result import CheckResult

NAME = "balances_match_oracle"
TITLE = "Every account holds what requests and answers add up to"


def check(evidence: Evidence) -> CheckResult:
    """Compare every account, and the list of transactions, with what must have happened."""
    tally = Tally(NAME, TITLE)
    facts, oracle = evidence.facts, evidence.oracle
    for text in oracle.unresolved:
        tally.left_open(text)
    if facts is None:
        tally.left_open(NO_FACTS)
        return tally.result()
    for text in oracle.contradictions:
        tally.broke(text)
    expected = oracle.balances()
    held = _held(evidence, facts)
    for account in facts.accounts.values():
        tally.look()
        right = expected.get(OWN.get(account.kind, account.id), 0)
        if account.balance_minor != right:
            tally.broke(
                f"account {account.number} holds {reais(account.balance_minor)}; "
                f"what was asked and answered adds up to {reais(right)}",
                abs(account.balance_minor - right),
            )
        if account.held_minor != held.get(account.id, 0):
            text = f"on account {account.number} {reais(account.held_minor)} are held"
            tally.broke(f"{text}; what was asked and answered adds up to {reais(held.get(account.id, 0))}")
    for transaction in facts.transactions.values():
        tally.look()
        _transaction(transaction, evidence, facts, tally)
    for hold in facts.holds.values():
        tally.look()
        promise = oracle.promises.get(hold.id)
        if promise is None:
            tally.broke(
                f"hold {hold.id} of {reais(hold.amount_minor)} is none that anybody asked for", hold.amount_minor
            )
        else:
            _hold(hold, promise, evidence, tally)
    if oracle.unknown_outcomes:
        tally.note(f"{oracle.unknown_outcomes} unknown outcomes were resolved by the books")
    return tally.result()


OWN = {"CASH": OUTSIDE, "FEES": FEES}
"""The bank's own accounts."""

EXPIRY_S = 5.0
"""The bank ends holds a second after their time; where it was killed meanwhile, a few seconds later."""


def _held(evidence: Evidence, facts: Facts) -> Mapping[str, int]:
    """Return what must be held on each account: what was promised and has not ended, by anybody or by its time."""
    held: dict[str, int] = defaultdict(int)
    for promise in evidence.oracle.promises.values():
        row = facts.holds.get(promise.hold_id)
        if promise.ended_by is None and (row is None or row.status != "EXPIRED"):
            held[promise.account_id] += promise.amount_minor
    return held


def _transaction(row: TransactionRow, evidence: Evidence, facts: Facts, tally: Tally) -> None:
    """Compare a transaction, a fee by what it is for, with what must have happened."""
    effect = evidence.oracle.effects.get((row.related_id or "") if row.kind == "FEE" else row.id)
    if effect is None or (row.kind == "FEE" and not effect.fee_minor):
        text = f"transaction {row.id} of {reais(row.amount_minor)}"
        tally.broke(f"{text} is none that anybody asked for and was not refused", row.amount_minor)
        return
    names = {account.id: OWN.get(account.kind, account.id) for account in facts.accounts.values()}
    booked = (row.kind, names.get(row.debit_account_id), names.get(row.credit_account_id), row.amount_minor)
    due = (effect.kind, effect.debit_id, effect.credit_id, effect.amount_minor)
    if row.kind == "FEE":
        due = ("FEE", effect.debit_id, FEES, effect.fee_minor)
    elif row.related_id != effect.related_id:
        tally.broke(f"transaction {row.id} belongs to {row.related_id}, not to {effect.related_id}")
    if booked != due:
        text = f"transaction {row.id} is a {booked[0]} of {reais(booked[3])} from {booked[1]} to {booked[2]}"
        right = f"not a {due[0]} of {reais(due[3])} from {due[1]} to {due[2]}"
        tally.broke(f"{text}, {right}", abs(booked[3] - due[3]))


def _hold(row: HoldRow, promise: Promise, evidence: Evidence, tally: Tally) -> None:
    """Compare a hold and its end with what was asked and answered; its time may be over only when it is."""
    ended = "AUTHORIZED" if promise.ended_by is None else "CAPTURED" if promise.captured_minor else "RELEASED"
    booked = (row.account_id, row.to_account_id, row.amount_minor)
    if booked != (promise.account_id, promise.to_account_id, promise.amount_minor):
        tally.broke(f"hold {row.id} is not the one that was asked for", row.amount_minor)
    if row.status == "EXPIRED" and ended == "AUTHORIZED":
        if row.ended_at_s is None or row.ended_at_s < row.expires_at_s:
            tally.broke(f"hold {row.id} expired before its time was over", row.amount_minor)
    elif (row.status, row.captured_minor) != (ended, promise.captured_minor):
        text = f"hold {row.id} is {row.status} with {reais(row.captured_minor)} captured"
        tally.broke(f"{text}, not {ended} with {reais(promise.captured_minor)}", row.amount_minor)
    elif ended == "AUTHORIZED" and row.expires_at_s + EXPIRY_S < _rested_s(evidence):
        tally.broke(f"hold {row.id} did not expire when its time was over", row.amount_minor)


def _rested_s(evidence: Evidence) -> float:
    """Return the moment of the last answer, in seconds since the epoch."""
    return (max(attempt.ended_ns for attempt in evidence.attempts) - evidence.epoch_ns) / 1e9
