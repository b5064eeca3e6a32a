"""A key has one effect: the first answer is the only one, repeated to whoever asks again, and marked as a replay.

The same key with another content is refused. No transaction is there without a key that stands for it.
"""

from collections.abc import Sequence
from dataclasses import replace

from simulation.answers import Answer, Moved, Opened
from simulation.checks.tally import Tally
from simulation.evidence import Evidence
from simulation.facts import Facts
from simulation.history import Attempt
from simulation.result import CheckResult

NAME = "exactly_once"
TITLE = "Every idempotency key has exactly one effect and one answer"

UNSTORED = frozenset(
    {"INVALID_INPUT", "INVALID_AMOUNT", "SAME_ACCOUNT", "BAD_INPUT", "CURRENCY_MISMATCH", "ACCOUNT_LIMIT_REACHED"}
)
"""Refusals that may be given before the key is looked at, so that a repetition need not be marked as one."""

NOT_DECIDED = frozenset({"UNAUTHENTICATED", "OVERLOADED", "FORBIDDEN"})
"""Answers that say nothing about the key."""

REUSED = "IDEMPOTENCY_KEY_REUSED"


def check(evidence: Evidence) -> CheckResult:
    """Hold all answers to each key against each other, and the books against the keys."""
    tally = Tally(NAME, TITLE)
    transactions: dict[str, str] = {}
    for (person, key), attempts in evidence.by_key.items():
        tally.look()
        _one_content(attempts, tally)
        _one_answer(attempts, tally)
        for effect in {_effect_id(a.answer) for a in attempts if a.answer is not None}:
            whose = f"person {person}, key {key}"
            if transactions.setdefault(effect, whose) != whose:
                tally.broke(f"{transactions[effect]} and {whose} were both told of {effect}")
    if evidence.facts is not None:
        _books(evidence.facts, tally)
    return tally.result()


def _effect_id(answer: Answer) -> str:
    match answer:
        case Moved(transaction_id=id_) | Opened(account_id=id_):
            return id_
        case _:
            return ""


def _one_content(attempts: Sequence[Attempt], tally: Tally) -> None:
    """Of all contents sent with a key, the bank may have decided about one only, and always in the same way."""
    decided = [attempt for attempt in attempts if _is_decision(attempt)]
    if not decided:
        return
    first = decided[0]
    for attempt in decided[1:]:
        if attempt.sent != first.sent:
            text = "a success" if attempt.outcome == "ok" else attempt.code
            tally.broke(f"{attempt}: the key stands for another content, and the answer is {text}, not {REUSED}")
        elif attempt.code != first.code:
            tally.broke(
                f"{attempt}: the same request was answered with {attempt.code or 'a success'} and before with "
                f"{first.code or 'a success'}"
            )
    for attempt in attempts:
        if attempt.code == REUSED and attempt.sent == first.sent:
            tally.broke(f"{attempt}: refused with {REUSED}, and the key was used for nothing else")


def _is_decision(attempt: Attempt) -> bool:
    """Return whether the answer is what the bank keeps under the key."""
    if attempt.outcome == "ok":
        return True
    return attempt.outcome == "refused" and attempt.code not in UNSTORED | NOT_DECIDED | {REUSED}


def _one_answer(attempts: Sequence[Attempt], tally: Tally) -> None:
    """All successes show the same; at most one is the original, and the others say that they repeat it."""
    accepted = [a for a in attempts if a.outcome == "ok"]
    for attempt in accepted[1:]:
        if _content(attempt.answer) != _content(accepted[0].answer):
            tally.broke(f"{attempt}: the same key was answered with {attempt.answer}, before with {accepted[0].answer}")
    _one_original(accepted, tally)
    _one_original([a for a in attempts if a.outcome == "refused" and _is_decision(a)], tally)


def _one_original(same: Sequence[Attempt], tally: Tally) -> None:
    originals = [a for a in same if a.replayed is not True]
    if len(originals) > 1:
        tally.broke(f"{originals[1]}: the answer to a repeated request is not marked as a replay", len(originals))


def _content(answer: Answer | None) -> Answer | None:
    """Return what must be the same in every repetition: an account's balance moves on, what was done does not."""
    return replace(answer, balance_minor=0) if isinstance(answer, Opened) else answer


def _books(facts: Facts, tally: Tally) -> None:
    keys: dict[str, int] = {}
    for row in facts.keys.values():
        if row.transaction_id is not None:
            keys[row.transaction_id] = keys.get(row.transaction_id, 0) + 1
    for transaction in facts.transactions.values():
        count = keys.get(transaction.id, 0)
        if count != 1:
            text = f"transaction {transaction.id} of {transaction.amount_minor / 100:.2f}"
            tally.broke(f"{text} has {count} idempotency keys that stand for it, not one", transaction.amount_minor)
