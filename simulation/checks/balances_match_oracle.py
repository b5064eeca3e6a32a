"""Every account has the balance that the oracle calculates from the requests and answers.

The same is true for the amount held. Each transaction moved the requested amount, plus its fee. If a request had no
answer, its outcome is read from the books, but never its amount.
"""

from collections import defaultdict
from collections.abc import Mapping

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DatabaseState, HoldRow, TransactionRow
from simulation.judge.effects import FEES, OUTSIDE, ExpectedHold
from simulation.judge.evidence import Evidence
from simulation.model.numbers import reais
from simulation.model.result import CheckResult

NAME = "balances_match_oracle"
TITLE = "Every account has the balance of its requests and answers"


def check(evidence: Evidence) -> CheckResult:
    """Compare every account, transaction and hold with the oracle."""
    builder = CheckResultBuilder(NAME, TITLE)
    database, oracle = evidence.database, evidence.oracle
    for text in oracle.unresolved:
        builder.mark_unknown(text)
    if database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    for text in oracle.contradictions:
        builder.add_violation(text)
    expected = oracle.balances()
    held = _expected_held_amounts(evidence, database)
    for account in database.accounts.values():
        builder.examine()
        right = expected.get(OWN.get(account.kind, account.id), 0)
        if account.balance_minor != right:
            builder.add_violation(
                f"account {account.number} holds {reais(account.balance_minor)}; "
                f"requests and answers add up to {reais(right)}",
                abs(account.balance_minor - right),
            )
        if account.held_minor != held.get(account.id, 0):
            text = f"on account {account.number} {reais(account.held_minor)} are held"
            builder.add_violation(f"{text}; requests and answers add up to {reais(held.get(account.id, 0))}")
    for transaction in database.transactions.values():
        builder.examine()
        _check_transaction(transaction, evidence, database, builder)
    for hold in database.holds.values():
        builder.examine()
        expected_hold = oracle.expected_holds.get(hold.id)
        if expected_hold is None:
            builder.add_violation(f"hold {hold.id} of {reais(hold.amount_minor)} has no request", hold.amount_minor)
        else:
            _check_hold(hold, expected_hold, evidence, builder)
    if oracle.unknown_outcomes:
        builder.note(f"{oracle.unknown_outcomes} unknown outcomes were resolved by the books")
    return builder.result()


OWN = {"CASH": OUTSIDE, "FEES": FEES}
"""The oracle's names of the bank's own accounts, by kind."""

EXPIRY_S = 5.0
"""The permitted delay of an expiry: the bank needs up to a second, or some seconds if it was killed meanwhile."""


def _expected_held_amounts(evidence: Evidence, database: DatabaseState) -> Mapping[str, int]:
    """Return the expected amount held on each account: the sum of its holds that neither ended nor expired."""
    held: dict[str, int] = defaultdict(int)
    for expected_hold in evidence.oracle.expected_holds.values():
        row = database.holds.get(expected_hold.hold_id)
        if expected_hold.ended_by is None and (row is None or row.status != "EXPIRED"):
            held[expected_hold.account_id] += expected_hold.amount_minor
    return held


def _check_transaction(
    row: TransactionRow, evidence: Evidence, database: DatabaseState, builder: CheckResultBuilder
) -> None:
    """Compare a transaction with the oracle; a fee with the effect of the transaction to which it belongs."""
    effect = evidence.oracle.effects.get((row.related_id or "") if row.kind == "FEE" else row.id)
    if effect is None or (row.kind == "FEE" and not effect.fee_minor):
        text = f"transaction {row.id} of {reais(row.amount_minor)}"
        builder.add_violation(f"{text} has no accepted request", row.amount_minor)
        return
    names = {account.id: OWN.get(account.kind, account.id) for account in database.accounts.values()}
    booked = (row.kind, names.get(row.debit_account_id), names.get(row.credit_account_id), row.amount_minor)
    due = (effect.kind, effect.debit_id, effect.credit_id, effect.amount_minor)
    if row.kind == "FEE":
        due = ("FEE", effect.debit_id, FEES, effect.fee_minor)
    elif row.related_id != effect.related_id:
        builder.add_violation(f"transaction {row.id} belongs to {row.related_id}, not to {effect.related_id}")
    if booked != due:
        text = f"transaction {row.id} is a {booked[0]} of {reais(booked[3])} from {booked[1]} to {booked[2]}"
        right = f"not a {due[0]} of {reais(due[3])} from {due[1]} to {due[2]}"
        builder.add_violation(f"{text}, {right}", abs(booked[3] - due[3]))


def _check_hold(row: HoldRow, expected_hold: ExpectedHold, evidence: Evidence, builder: CheckResultBuilder) -> None:
    """Compare a hold and its end with the oracle, and require that it expires neither early nor late."""
    ended = (
        "AUTHORIZED" if expected_hold.ended_by is None else "CAPTURED" if expected_hold.captured_minor else "RELEASED"
    )
    booked = (row.account_id, row.to_account_id, row.amount_minor)
    if booked != (expected_hold.account_id, expected_hold.to_account_id, expected_hold.amount_minor):
        builder.add_violation(f"hold {row.id} differs from its request", row.amount_minor)
    if row.status == "EXPIRED" and ended == "AUTHORIZED":
        if row.ended_at_s is None or row.ended_at_s < row.expires_at_s:
            builder.add_violation(f"hold {row.id} expired before its expiry time", row.amount_minor)
    elif (row.status, row.captured_minor) != (ended, expected_hold.captured_minor):
        text = f"hold {row.id} is {row.status} with {reais(row.captured_minor)} captured"
        builder.add_violation(f"{text}, not {ended} with {reais(expected_hold.captured_minor)}", row.amount_minor)
    elif ended == "AUTHORIZED" and row.expires_at_s + EXPIRY_S < _rested_s(evidence):
        builder.add_violation(f"hold {row.id} did not expire at its expiry time", row.amount_minor)


def _rested_s(evidence: Evidence) -> float:
    """Return the time of the last answer, in seconds since the epoch."""
    return (max(attempt.ended_ns for attempt in evidence.attempts) - evidence.epoch_ns) / 1e9
