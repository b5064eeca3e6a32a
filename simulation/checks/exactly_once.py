"""Every idempotency key has exactly one effect and one answer.

Every further request with the key gets the first answer, marked as a replay. The same key with other content, or for
another mutation, is refused. A decided outcome is stored, also a refusal. A request that was not decided (no token,
no permission, invalid in itself) does not use up its key. Every transaction has a key.
"""

from collections import Counter
from collections.abc import Sequence

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.database_state import DatabaseState
from simulation.judge.effects import RequestKey
from simulation.judge.evidence import Evidence
from simulation.judge.idempotency_rules import (
    REUSED,
    have_different_content,
    is_decision,
    may_be_stored,
    may_be_stored_for_another,
)
from simulation.model.answers import HoldReceipt, OpenedAccount, receipts_in
from simulation.model.attempts import Attempt
from simulation.model.operations import Kind
from simulation.model.result import CheckResult
from simulation.model.terms import Terms

NAME = "exactly_once"
TITLE = "Every idempotency key has exactly one effect and one answer"


def check(evidence: Evidence) -> CheckResult:
    """Compare all answers to each key with each other, and the books with the keys."""
    builder = CheckResultBuilder(NAME, TITLE)
    transactions: dict[str, str] = {}
    for request_key, attempts in evidence.by_key.items():
        builder.examine()
        _check_content(attempts, builder)
        _check_answers(attempts, builder)
        for effect in sorted({id_ for attempt in attempts for id_ in _effect_ids(attempt)}):
            whose = f"person {request_key[0]}, key {request_key[1]}"
            if transactions.setdefault(effect, whose) != whose:
                builder.add_violation(f"{transactions[effect]} and {whose} both have the effect {effect}")
        if evidence.database is not None:
            _check_record(request_key, attempts, evidence, evidence.database, builder)
    if evidence.database is not None:
        _check_transactions(evidence.database, evidence.plan.terms, builder)
    return builder.result()


def _effect_ids(attempt: Attempt) -> set[str]:
    """Return the ids of the effects in an answer, each of which can belong to one key only."""
    ids = {move.transaction_id for move in receipts_in(attempt.answer)}
    match attempt.answer:
        case OpenedAccount(account_id=id_):
            ids.add(id_)
        case HoldReceipt(hold=hold):
            is_made = attempt.operation.kind is Kind.AUTHORIZE
            ids.add(hold.hold_id if is_made else f"the end of {hold.hold_id}")
    return ids


def _check_content(attempts: Sequence[Attempt], builder: CheckResultBuilder) -> None:
    """Require that the bank decided only one of the contents that were sent with a key, always with one outcome."""
    decided = [attempt for attempt in attempts if is_decision(attempt)]
    for attempt in decided[1:]:
        if have_different_content(attempt, decided[0]):
            text = "a success" if attempt.outcome == "ok" else attempt.code
            builder.add_violation(
                f"{attempt}: the key was used with other content, but the answer is {text}, not {REUSED}"
            )
        elif attempt.code != decided[0].code:
            builder.add_violation(
                f"{attempt}: the same request was answered with {attempt.code or 'a success'}, and earlier with "
                f"{decided[0].code or 'a success'}"
            )
    for attempt in attempts:
        if attempt.code == REUSED and not may_be_stored_for_another(attempt, attempts):
            builder.add_violation(f"{attempt}: refused with {REUSED}, but the key was used for nothing else")


def _check_answers(attempts: Sequence[Attempt], builder: CheckResultBuilder) -> None:
    """Require equal answers to a key.

    One of them is the original, seen or not, and all others must be marked as replays.
    """
    accepted = [a for a in attempts if a.outcome == "ok"]
    for attempt in accepted[1:]:
        if attempt.answer != accepted[0].answer:
            builder.add_violation(
                f"{attempt}: the same key was answered with {attempt.answer}, and earlier with {accepted[0].answer}"
            )
    unseen = any(a.outcome in {"unknown", "error"} for a in attempts)
    for same in (accepted, [a for a in attempts if a.outcome == "refused" and is_decision(a)]):
        originals = [a for a in same if a.replayed is not True]
        if len(originals) > 1:
            builder.add_violation(
                f"{originals[1]}: the answer to a repeated request is not marked as a replay", len(originals)
            )
        if same and not originals and not unseen:
            builder.add_violation(
                f"{same[0]}: marked as a replay, but no other request with this key can have been first"
            )


def _check_record(
    request_key: RequestKey,
    attempts: Sequence[Attempt],
    evidence: Evidence,
    database: DatabaseState,
    builder: CheckResultBuilder,
) -> None:
    """Require that the books contain the key if, and only if, one of its requests was decided."""
    owner = evidence.user_ids.get(request_key[0])
    if owner is None:
        return
    decided = next((a for a in attempts if is_decision(a)), None)
    is_kept = (owner, request_key[1]) in database.keys
    if decided is not None and not is_kept:
        builder.add_violation(f"{decided}: decided, but its key is not stored")
    if is_kept and not any(may_be_stored(a) for a in attempts):
        codes = ", ".join(sorted({str(a.code) for a in attempts}))
        builder.add_violation(f"{attempts[0]}: nothing was decided ({codes}), but its key is stored")


def _check_transactions(database: DatabaseState, terms: Terms, builder: CheckResultBuilder) -> None:
    """Require one key for each transaction except fees, which have none, and one fee if the terms have a fee for it."""
    keys = Counter(id_ for row in database.keys.values() for id_ in row.transaction_ids)
    fees = Counter(row.related_id for row in database.transactions.values() if row.kind == "FEE")
    for transaction in database.transactions.values():
        text = f"transaction {transaction.id} of {transaction.amount_minor / 100:.2f}"
        count, due = keys[transaction.id], 0 if transaction.kind == "FEE" else 1
        if count != due:
            builder.add_violation(f"{text} has {count} idempotency keys, not {due}", transaction.amount_minor)
        charged, due = fees[transaction.id], 1 if terms.fee_minor(transaction.kind) else 0
        if charged != due:
            builder.add_violation(f"{text} was charged for {charged} times, not {due}", transaction.amount_minor)
